/** What members say to each other. The same shapes as proto/raft.proto, owned here so that the core imports nothing. */

export type EntryType = "normal" | "config_change";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

export interface HardState {
  readonly term: number;
  /** Raft id voted for in `term`; 0 is none. */
  readonly vote: number;
  readonly commit: number;
}

/** Who counts. Invariant: `votersOutgoing` is non-empty only while a joint change is under way. */
export interface ConfigState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly votersOutgoing: readonly number[];
  readonly learnersNext: readonly number[];
  readonly autoLeave: boolean;
}

export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly config: ConfigState | null;
}

export type MessageType =
  | "append"
  | "append_reply"
  | "heartbeat"
  | "heartbeat_reply"
  | "pre_vote"
  | "pre_vote_reply"
  | "vote"
  | "vote_reply"
  | "snapshot"
  | "timeout_now"
  | "read_index"
  | "read_index_reply";

/** One message. Fields that a type does not use are zero, empty or null. */
export interface RaftMessage {
  readonly type: MessageType;
  readonly to: number;
  readonly from: number;
  readonly term: number;
  /** Append: index of the entry before the first; replies: last index; votes: index of the candidate's last entry. */
  readonly index: number;
  /** Term of the entry at `index`. */
  readonly logTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly reject: boolean;
  /** On a rejected append: where the follower suggests to try next. On votes and their replies: a position that is committed. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  /** Correlates heartbeats and reads with their replies; 0 is none. */
  readonly context: number;
  readonly snapshot: SnapshotMeta | null;
  /** A vote asked for by leadership transfer overrides the lease. */
  readonly forced: boolean;
}

export type ConfigChangeAction = "add_voter" | "add_learner" | "remove";

export interface ConfigChangeStep {
  readonly action: ConfigChangeAction;
  readonly raftId: number;
}
