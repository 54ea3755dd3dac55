import type { ConfigState, Entry, HardState, RaftMessage, SnapshotMeta } from "./message.js";

export type Role = "follower" | "pre_candidate" | "candidate" | "leader";

/**
 * Work the core wants done. The driver's obligations, in this order:
 *
 * 1. Send `messages` at once: none of them vouches for what is not yet durable.
 * 2. Make `snapshot`, `entries` and `hardState` durable together, all or nothing; without `mustSync`, it is enough to write them in order.
 * 3. Call `raft.persisted(ready)`; only then send `messagesAfterPersist`.
 * 4. Apply `committed` in order, then call `raft.applied(index)`; for an entry of type config_change call
 *    `raft.applyConfigChange(steps)` when it is applied and keep the ConfigState that it returns.
 * 5. Serve each of `readStates` once its index is applied.
 *
 * At most one Ready is outstanding between `raft.ready()` and `raft.persisted()`; the core may be stepped meanwhile, and
 * `raft.takeMessages()` yields messages that need not wait (heartbeats and their replies, pre-votes, a leader's appends).
 */
export interface Ready {
  /** Non-null when term, vote or commit changed since the last Ready. */
  readonly hardState: HardState | null;
  /**
   * False when all that is new is how much is committed: that may be lost. Where `committed` has a change of membership it may not, nor may what
   * earlier ones said: who hears of its removal goes away, and its word for what is committed with it.
   */
  readonly mustSync: boolean;
  /** To be appended; entries of the same or a higher index that were stored before are replaced. */
  readonly entries: readonly Entry[];
  /** Non-null when the whole state is to be replaced by a received snapshot of this index. */
  readonly snapshot: SnapshotMeta | null;
  readonly messages: readonly RaftMessage[];
  readonly messagesAfterPersist: readonly RaftMessage[];
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
}

/** Answer to `readIndex(context)`: the read may be served once `index` is applied. */
export interface ReadState {
  readonly context: number;
  readonly index: number;
}

/** What the core reads of the log. Synchronous: the driver keeps every entry that is not compacted in memory. */
export interface LogStorage {
  /** The state found at start. */
  initialState(): { readonly hardState: HardState; readonly config: ConfigState };
  /** Index of the first entry that is still there; one past the snapshot when the log is empty. */
  firstIndex(): number;
  lastIndex(): number;
  /** Term of an entry in [firstIndex - 1, lastIndex]; undefined when it is compacted or beyond the end. */
  term(index: number): number | undefined;
  /** Entries of [low, high), at least one, at most `bytesMax` of data; undefined when `low` is compacted. */
  entries(low: number, high: number, bytesMax: number): readonly Entry[] | undefined;
  /** The latest snapshot that can be sent to a follower; null when there is none. */
  snapshot(): SnapshotMeta | null;
}

export interface RaftStatus {
  readonly id: number;
  readonly role: Role;
  readonly term: number;
  /** 0 when no leader is known. */
  readonly leader: number;
  readonly commit: number;
  readonly applied: number;
  readonly config: ConfigState;
  /** On a leader: per peer, the last index known to be stored there, and whether it answered within an election timeout. */
  readonly progress: ReadonlyMap<number, { readonly match: number; readonly recentlyActive: boolean; readonly isLearner: boolean }>;
}
