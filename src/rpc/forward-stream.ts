import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import {
  type ControlReply,
  type ControlRequest,
  ControlService,
  type ForwardReply,
  ForwardReplyCodec,
  ForwardRequestCodec,
  type ForwardRequests,
} from "../wire/generated/control.js";
import { createClient } from "./client.js";
import type { Connection } from "./connection.js";
import { FrameQueue } from "./frame-queue.js";
import { fromFailure } from "./status.js";

interface Pending {
  readonly sequence: number;
  readonly outcome: Deferred<ControlReply>;
}

/** In the details of a failure: it is what the leader answered, and not that there was no answer. */
export const SAID_BY_LEADER = "saidByLeader";

/** Bounds what a leader that does not answer can hold up. */
const PENDING_MAX = 10_000;

/** One stream of writes to one leader, until it breaks. Nothing is sent before the leader accepted it. */
export class ForwardStream {
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  readonly #incarnation: string;
  readonly #stop = new AbortController();
  readonly #queue = new FrameQueue();
  readonly #pending = new Map<number, Pending>();
  #sequence = 0;
  /** Invariant: those up to here left `#queue`, and may have reached the leader; no later one can have. */
  #sentThrough = 0;
  #isAccepted = false;
  #isEnding = false;
  #hasEnded = false;

  constructor(connection: Connection, incarnation: string) {
    this.#connection = connection;
    this.#incarnation = incarnation;
    this.ended = this.#run();
  }

  get isOpen(): boolean {
    return !this.#isEnding && !this.#hasEnded;
  }

  /** Rejects with what the leader answered, `unavailable` or `permission_denied` when it was not sent, or `outcome_unknown` when it was and no answer came. */
  execute(request: ControlRequest): Promise<ControlReply> {
    if (!this.isOpen) return Promise.reject(new ClusterError("unavailable", `connection to the leader at ${this.#connection.address} is closed`));
    if (this.#pending.size >= PENDING_MAX) {
      return Promise.reject(new ClusterError("unavailable", `leader at ${this.#connection.address} has ${PENDING_MAX} writes to answer`));
    }
    const sequence = this.#sequence + 1;
    const bytes = ForwardRequestCodec.encode({ sequence, request, incarnation: this.#incarnation });
    const outcome = deferred<ControlReply>();
    this.#sequence = sequence;
    this.#pending.set(sequence, { sequence, outcome });
    this.#queue.push(bytes);
    return outcome.promise;
  }

  /** Sends nothing more; the stream ends once the leader answered what it has. */
  finish(): void {
    this.#isEnding = true;
    this.#queue.wake();
  }

  /** Ends at once. */
  abort(): void {
    this.#isEnding = true;
    this.#stop.abort(new ClusterError("unavailable", `connection to the leader at ${this.#connection.address} was closed`));
    this.#queue.wake();
  }

  async #run(): Promise<void> {
    let failure = new ClusterError("unavailable", `leader at ${this.#connection.address} ended the connection`);
    try {
      const replies = createClient(this.#connection, ControlService).forward(this.#requests(), {
        signal: this.#stop.signal,
        onAccepted: () => {
          this.#isAccepted = true;
          this.#queue.wake();
        },
      });
      for await (const { replies: frame } of replies) for (const bytes of frame) this.#settle(ForwardReplyCodec.decode(bytes));
    } catch (cause) {
      failure = ClusterError.from(cause);
    }
    this.#hasEnded = true;
    this.#queue.wake();
    this.#fail(failure);
  }

  async *#requests(): AsyncGenerator<ForwardRequests, void, undefined> {
    while (!this.#hasEnded && !this.#stop.signal.aborted) {
      if (this.#isAccepted && !this.#queue.isEmpty) {
        const requests = this.#queue.take();
        this.#sentThrough += requests.length;
        yield { requests };
      } else if (this.#isEnding && this.#queue.isEmpty) {
        return;
      } else {
        await this.#queue.changed();
      }
    }
  }

  #settle({ sequence, reply }: ForwardReply): void {
    const pending = this.#pending.get(sequence);
    this.#pending.delete(sequence);
    if (pending === undefined) return;
    if (reply === null) pending.outcome.reject(new ClusterError("internal", "leader sent an empty reply"));
    else if (reply.type !== "error") pending.outcome.resolve(reply);
    else {
      const { code, message, details } = fromFailure(reply.error);
      pending.outcome.reject(new ClusterError(code, message, { details: { ...details, [SAID_BY_LEADER]: "true" } }));
    }
  }

  #fail(cause: ClusterError): void {
    for (const { outcome, sequence } of this.#pending.values()) {
      outcome.reject(
        sequence <= this.#sentThrough
          ? new ClusterError("outcome_unknown", "outcome unknown, check before retrying: the leader's answer was lost", { cause })
          : new ClusterError(cause.code === "permission_denied" ? cause.code : "unavailable", cause.message, { cause }),
      );
    }
    this.#pending.clear();
  }
}
