import type { Member } from "../wire/generated/raft.js";
import type { RaftMessage } from "../raft/message.js";

/**
 * Carries messages between members. Sending never waits and never throws: what cannot be delivered is dropped, raft repeats
 * it. Messages to one peer arrive in order or not at all. `rpc/` implements it over one long-lived gRPC stream per peer.
 */
export interface RaftTransport {
  /** The peers that may be sent to, replaced as a whole when membership changes. */
  setPeers(members: readonly Member[]): void;
  send(messages: readonly RaftMessage[]): void;
  /** Streams a snapshot file in chunks; resolves when the peer stored it, rejects when it did not. */
  sendSnapshot(to: number, snapshot: OutgoingSnapshot, signal: AbortSignal): Promise<void>;
  /** Raft ids that answered on their connection lately. */
  isReachable(raftId: number): boolean;
}

export interface OutgoingSnapshot {
  readonly message: RaftMessage;
  readonly members: readonly Member[];
  readonly totalBytes: number;
  chunks(): AsyncIterable<Uint8Array>;
}

/** What the transport hands up: implemented by the replica, called by api/grpc. */
export interface RaftInbox {
  deliver(messages: readonly RaftMessage[]): void;
  /** Stores a snapshot that a peer streams; resolves when it is durable and handed to raft. */
  receiveSnapshot(message: RaftMessage, members: readonly Member[], chunks: AsyncIterable<Uint8Array>): Promise<void>;
}
