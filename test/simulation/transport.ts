import { ClusterError } from "../../src/base/errors.js";
import type { RaftMessage } from "../../src/raft/message.js";
import type { OutgoingSnapshot, RaftTransport } from "../../src/replica/transport.js";
import type { Member } from "../../src/wire/generated/raft.js";
import { Stream } from "./stream.js";

/** What a process's streams need of the world. */
export interface StreamWorld {
  now(): number;
  /** Tries to open a stream. */
  dial(stream: Stream): void;
  /** Breaks an open stream, at its accepting end. */
  hangUp(stream: Stream): void;
  send(message: RaftMessage, stream: Stream | undefined): void;
  sendSnapshot(stream: Stream, outgoing: OutgoingSnapshot): Promise<void>;
}

/** The transport of one process, as TlsRaftTransport of src/rpc is one: a stream to each peer whose address it was told, dialed until it is open, and to nobody else. */
export class SimulatedTransport implements RaftTransport {
  readonly #self: Member;
  readonly #world: StreamWorld;
  #streams: ReadonlyMap<number, Stream> = new Map();

  constructor(self: Member, world: StreamWorld) {
    this.#self = self;
    this.#world = world;
  }

  setPeers(members: readonly Member[]): void {
    const before = this.#streams;
    this.#streams = new Map(
      members.map((member) => {
        const known = before.get(member.raftId);
        return [member.raftId, known?.peer.address === member.address ? known : new Stream(this.#self, member)];
      }),
    );
    for (const [raftId, stream] of before) if (this.#streams.get(raftId) !== stream) this.#close(stream);
  }

  send(messages: readonly RaftMessage[]): void {
    for (const message of messages) this.#world.send(message, this.#streams.get(message.to));
  }

  sendSnapshot(to: number, outgoing: OutgoingSnapshot): Promise<void> {
    const stream = this.#streams.get(to);
    if (stream === undefined) return Promise.reject(new ClusterError("not_found", `raft member ${to} is not known`));
    return this.#world.sendSnapshot(stream, outgoing);
  }

  isReachable(raftId: number): boolean {
    return this.#streams.get(raftId)?.acceptor != null;
  }

  /** Time passes. */
  step(): void {
    const now = this.#world.now();
    for (const stream of this.#streams.values()) if (stream.acceptor === null && !stream.isDialing && stream.dialAt <= now) this.#world.dial(stream);
  }

  end(): void {
    this.setPeers([]);
  }

  #close(stream: Stream): void {
    stream.isOver = true;
    this.#world.hangUp(stream);
  }
}
