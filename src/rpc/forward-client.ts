import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";
import { Connection } from "./connection.js";
import { ForwardStream } from "./forward-stream.js";
import type { LiveIdentity } from "./live-identity.js";

export interface Leader {
  readonly nodeId: string;
  /** host:port. */
  readonly address: string;
}

/** Time that a former leader gets to answer what it was sent. */
const FAREWELL_MS = 5_000;

/** Carries writes to the leader, over one stream that is kept open (architecture, section 3). */
export class ForwardClient implements AsyncDisposable {
  readonly #identity: LiveIdentity;
  readonly #clock: Clock;
  readonly #incarnation: string;
  readonly #stopListening: () => void;
  readonly #leaving = new Set<ForwardStream>();
  #leader: Leader | null = null;
  #stream: ForwardStream | null = null;

  /** `incarnation`: of the cluster that this node is a manager of; no other is written to. */
  constructor(options: { readonly identity: LiveIdentity; readonly clock: Clock; readonly incarnation: string }) {
    this.#identity = options.identity;
    this.#incarnation = options.incarnation;
    this.#clock = options.clock;
    this.#stopListening = options.identity.onReplace(() => this.#finish());
  }

  /** Null when there is none, or when it is this node itself. What was sent to a former leader may still be answered by it. */
  setLeader(leader: Leader | null): void {
    if (leader?.nodeId === this.#leader?.nodeId && leader?.address === this.#leader?.address) return;
    this.#leave();
    this.#leader = leader;
    if (leader !== null) this.#stream = this.#open(leader);
  }

  /**
   * Rejects with ClusterError: what the leader threw; `no_leader` when none is known; `unavailable` when it was certainly not sent;
   * `outcome_unknown` when it was and no answer came. Never sends twice.
   */
  execute(request: ControlRequest): Promise<ControlReply> {
    if (this.#leader === null) return Promise.reject(new ClusterError("no_leader", "no leader is known"));
    if (this.#stream?.isOpen !== true) this.#stream = this.#open(this.#leader);
    return this.#stream.execute(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    this.#leave();
    this.#leader = null;
    await Promise.all(
      [...this.#leaving].map((stream) => {
        stream.abort();
        return stream.ended;
      }),
    );
  }

  #open(leader: Leader): ForwardStream {
    const connection = new Connection({
      address: leader.address,
      clock: this.#clock,
      security: { type: "mutual", identity: this.#identity, nodeId: leader.nodeId },
    });
    const stream = new ForwardStream(connection, this.#incarnation);
    void stream.ended.finally(() => connection.close());
    return stream;
  }

  /** The next write opens another stream; a leader that still leads may take its time for what it was sent over this one. */
  #finish(): void {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) return;
    stream.finish();
    this.#leaving.add(stream);
    void stream.ended.finally(() => this.#leaving.delete(stream));
  }

  #leave(): void {
    this.#finish();
    for (const stream of this.#leaving) {
      const cancel = this.#clock.after(FAREWELL_MS, () => stream.abort());
      void stream.ended.finally(cancel);
    }
  }
}
