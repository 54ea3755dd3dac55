import type { Member, SnapshotProgress } from "../wire/generated/raft.js";
import type { RaftMessage } from "../raft/message.js";

/**
 * Carries messages between members. Sending never waits and never throws: what cannot be delivered is dropped, raft repeats
 * it. Messages to one peer arrive in order or not at all. `rpc/` implements it over one long-lived gRPC stream per peer.
 */
export interface RaftTransport {
  /** The peers that may be sent to, replaced as a whole when membership changes. */
  setPeers(members: readonly Member[]): void;
  send(messages: readonly RaftMessage[]): void;
  /** Streams a snapshot file in chunks, from where an earlier attempt ended; resolves when the peer stored it, rejects when it did not. */
  sendSnapshot(to: number, snapshot: OutgoingSnapshot, signal: AbortSignal): Promise<void>;
  /** Raft ids that answered on their connection lately. */
  isReachable(raftId: number): boolean;
}

export interface OutgoingSnapshot {
  readonly message: RaftMessage;
  /** What follows what the peer has of it; all, when that is not how it begins. */
  after(received: SnapshotProgress): Promise<SnapshotRest>;
}

export interface SnapshotRest {
  /** What the chunks follow. */
  readonly received: SnapshotProgress;
  /** Of the chunks. */
  readonly totalBytes: number;
  /** To be iterated once. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** What the transport hands up: implemented by the replica, called by api/grpc. */
export interface RaftInbox {
  /**
   * A member says who it is, and where, before its first message. One that joined or moved while this member was cut off could not be answered otherwise, and
   * if it leads, this member would never learn of it. It holds until the returned function is called, also before what the log
   * says: a member that is behind learns of earlier addresses first.
   */
  introduced(member: Member): () => void;
  deliver(messages: readonly RaftMessage[]): void;
  /** How much of a snapshot is here already. */
  snapshotReceived(message: RaftMessage): SnapshotProgress;
  /** Stores a snapshot that a peer streams, `chunks` being what follows `after`; resolves when it is durable and handed to raft. */
  receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress): Promise<void>;
}
