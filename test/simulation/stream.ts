import type { Caller } from "../../src/rpc/caller.js";
import type { Member } from "../../src/wire/generated/raft.js";

/** The accepting end of a stream, as far as whoever breaks it has to know. */
export interface StreamAcceptor {
  /** The stream is over; noticed after so many steps. */
  loses(stream: Stream, steps: number): void;
}

/** A connection that one member's process makes to another member, at the address at which it believes it to be. */
export class Stream {
  /** Who dials, and where that is: said to the other end before anything else. */
  readonly self: Member;
  /** The same, as its certificate proves it. */
  readonly caller: Caller;
  readonly peer: Member;
  /** Where it is open; null while it is not. */
  acceptor: StreamAcceptor | null = null;
  /** On its way to the other end. */
  isDialing = false;
  /** When to dial next, while it is neither open nor on its way. */
  dialAt = 0;
  /** Who made it wants it no more, or is gone. */
  isOver = false;

  constructor(self: Member, peer: Member) {
    this.self = self;
    this.peer = peer;
    this.caller = { nodeId: self.nodeId, role: "manager", address: self.address };
  }
}
