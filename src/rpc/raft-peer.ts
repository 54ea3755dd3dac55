import { onAbort } from "../base/abort.js";
import { Backoff } from "../base/backoff.js";
import { type Clock, pause } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { Member, RaftFrame, RaftMessage } from "../wire/generated/raft.js";
import { Connection } from "./connection.js";
import { Feed } from "./feed.js";
import type { LiveIdentity } from "./live-identity.js";
import { RaftQueue } from "./raft-queue.js";
import { carry } from "./raft-stream.js";
import type { ConnectionFailure } from "./status.js";

export interface RaftPeerOptions {
  readonly identity: LiveIdentity;
  readonly clusterId: string;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** This member, as it is now: a peer that does not know it, or knows it at another address, could not answer it otherwise. */
  readonly self?: () => Member;
  /**
   * A member that served our stream broke it without a goodbye, and refused or reset the redial that followed at once: its process is gone. A cut
   * link is never reported, nor a stop or a renewed certificate (architecture, section 3: failing over early).
   */
  readonly onPeerLost?: (raftId: number) => void;
  /** A member refused this node's messages since the cluster was founded anew without it. The member has proven who it is. */
  readonly onLeftBehind?: (cause: ClusterError) => void;
}

const QUEUE_MESSAGES_MAX = 4096;
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** What a peer missed for long is of no use to it: raft begins anew. */
const UNREACHABLE_MESSAGES_MAX = 64;
const FRAME_BYTES_MAX = 1024 * 1024;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;
/** A stream that lasted this long was a good one: the next attempt after it is quick again. */
const GOOD_STREAM_MS = 5_000;

const REPLACED = new ClusterError("aborted", "this node's certificate was replaced");

/** One other member: a stream to it that is kept open, and the messages that wait for it. */
export class RaftPeer {
  readonly member: Member;
  readonly #options: RaftPeerOptions;
  readonly #queue = new RaftQueue({ messagesMax: QUEUE_MESSAGES_MAX, bytesMax: QUEUE_BYTES_MAX });
  readonly #stop = new AbortController();
  readonly #stopped: Promise<void>;
  #feed: Feed<RaftFrame> | null = null;
  #isReachable = false;

  constructor(member: Member, options: RaftPeerOptions) {
    this.member = member;
    this.#options = options;
    this.#stopped = this.#run(this.#stop.signal);
  }

  /** True while the peer serves our stream. */
  get isReachable(): boolean {
    return this.#isReachable;
  }

  /** Keeps a message for `flush`. */
  send(message: RaftMessage): void {
    this.#queue.push(message);
    if (!this.#isReachable) this.#queue.trim(UNREACHABLE_MESSAGES_MAX);
  }

  /** Messages that came since share a frame. */
  flush(): void {
    this.#feed?.wake();
  }

  /** A connection to this very node, for the caller to close. */
  connect(): Connection {
    const { identity, clock } = this.#options;
    return new Connection({ address: this.member.address, clock, security: { type: "mutual", identity, nodeId: this.member.nodeId } });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#stopped;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger, onPeerLost, onLeftBehind } = this.#options;
    const backoff = new Backoff({ firstMs: BACKOFF_FIRST_MS, maxMs: BACKOFF_MAX_MS, random });
    let lastReason = "";
    let isRedial = false;
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      const failure = await this.#stream(signal);
      const wasServed = this.#isReachable;
      this.#isReachable = false;
      if (signal.aborted) return;
      // At once: meanwhile the peer misses less than a heartbeat.
      if (failure === REPLACED) continue;
      if (failure.details.foundedAnew !== undefined) onLeftBehind?.(failure);
      if (isRedial && isGone(failure)) onPeerLost?.(this.member.raftId);
      isRedial = wasServed && isGone(failure);
      if (failure.message !== lastReason) logger.warn({ peer: this.member, reason: failure.message }, "no raft stream to a member");
      lastReason = failure.message;
      if (clock.monotonic() - startedMs >= GOOD_STREAM_MS) backoff.reset();
      if (!isRedial) await pause(clock, backoff.nextMs(), signal);
    }
  }

  /** Resolves with why the stream ended. */
  async #stream(signal: AbortSignal): Promise<ClusterError> {
    const { identity, clock, logger, self } = this.#options;
    const ended = new AbortController();
    const detach = onAbort(signal, () => ended.abort(new ClusterError("aborted", "this node sends no more")));
    // The new certificate counts from the next handshake on.
    const forget = identity.onReplace(() => ended.abort(REPLACED));
    const feed = new Feed(() => this.#nextFrame());
    this.#feed = feed;
    const onAccepted = () => {
      this.#isReachable = true;
      logger.info({ peer: this.member }, "raft stream to a member is open");
    };
    try {
      return await carry({ member: this.member, identity, clock, feed, signal: ended.signal, onAccepted, ...(self === undefined ? {} : { self }) });
    } catch (cause) {
      return ClusterError.from(cause); // An address or a certificate that Node.js does not even try.
    } finally {
      detach();
      forget();
    }
  }

  #nextFrame(): RaftFrame | null {
    const messages = this.#queue.take(FRAME_BYTES_MAX);
    return messages.length === 0 ? null : { clusterId: this.#options.clusterId, incarnation: this.#options.incarnation, messages };
  }
}

/** The connection broke without a goodbye, or nobody listens any more: what a process that died leaves behind. */
function isGone(failure: ClusterError): boolean {
  const connection = failure.details.connection as ConnectionFailure | undefined;
  return connection === "refused" || connection === "broken";
}
