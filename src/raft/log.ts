import { assert, defined } from "../base/assert.js";
import { NO_ITEMS } from "../base/nothing.js";
import type { Entry, SnapshotMeta } from "./message.js";
import type { LogStorage } from "./ready.js";
import { Unstable } from "./unstable.js";

/** Committed entry data handed out in one Ready. */
const COMMITTED_BYTES_MAX = 16 * 1024 * 1024;

/** An index and the term of the entry there. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/**
 * The whole log as one: the part in storage and the unstable tail.
 * Invariant: applied <= applying <= commit <= lastIndex, except that applying may be ahead while a snapshot is installed.
 */
export class RaftLog {
  readonly #storage: LogStorage;
  readonly #unstable: Unstable;
  #commit: number;
  #applying: number;
  #applied: number;
  /** Committed changes of membership that are not in force yet, ascending. */
  #pendingChanges: number[];

  constructor(storage: LogStorage, positions: { readonly commit: number; readonly applied: number }) {
    this.#storage = storage;
    this.#unstable = new Unstable(storage.lastIndex() + 1);
    // What was applied is committed, whatever the hard state had time to say.
    this.#commit = Math.max(positions.commit, positions.applied);
    this.#applying = positions.applied;
    this.#applied = positions.applied;
    assert(this.#commit <= storage.lastIndex(), `commit ${this.#commit} is within the stored log, which ends at ${storage.lastIndex()}`);
    assert(positions.applied >= storage.firstIndex() - 1, `entries after applied ${positions.applied} are still in the log`);
    this.#pendingChanges = this.#configChanges(this.#applied, this.#commit);
  }

  get commit(): number {
    return this.#commit;
  }

  get applied(): number {
    return this.#applied;
  }

  get firstIndex(): number {
    const snapshot = this.#unstable.snapshot;
    return snapshot === null ? this.#storage.firstIndex() : snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.#unstable.lastIndex ?? this.#unstable.offset - 1;
  }

  get last(): LogPosition {
    const index = this.lastIndex;
    return { index, term: defined(this.term(index), `the term of the last entry ${index} is known`) };
  }

  /** Undefined for what is compacted or beyond the end. */
  term(index: number): number | undefined {
    if (index >= this.#unstable.offset || this.#unstable.snapshot !== null) return this.#unstable.term(index);
    return this.#storage.term(index);
  }

  matches(position: LogPosition): boolean {
    return this.term(position.index) === position.term;
  }

  /** Whether a candidate whose log ends at `position` has everything that may be committed here. */
  isUpToDate(position: LogPosition): boolean {
    const { index, term } = this.last;
    return position.term > term || (position.term === term && position.index >= index);
  }

  /** Entries of [low, high), at least one, up to `bytesMax` of data; undefined when `low` is compacted. */
  entries(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    if (low >= high) return NO_ITEMS;
    if (low < this.firstIndex) return undefined;
    const offset = this.#unstable.offset;
    if (low >= offset) return limitBytes(this.#unstable.slice(low, high), bytesMax);
    const storedHigh = Math.min(high, offset);
    const stored = this.#storage.entries(low, storedHigh, bytesMax);
    if (stored === undefined || stored.length < storedHigh - low || high <= offset) return stored;
    return limitBytes([...stored, ...this.#unstable.slice(offset, high)], bytesMax);
  }

  /** A leader's own entries. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.#commit, `entry ${first.index} does not overwrite the committed ${this.#commit}`);
    this.#unstable.append(entries);
  }

  /** A follower's: the index of the last entry that is now known to agree, or undefined when `after` does not. */
  maybeAppend(after: LogPosition, entries: readonly Entry[], commit: number): number | undefined {
    if (!this.matches(after)) return undefined;
    const lastNew = after.index + entries.length;
    const conflict = entries.findIndex((entry) => !this.matches(entry));
    if (conflict !== -1) this.append(entries.slice(conflict));
    this.commitTo(Math.min(commit, lastNew));
    return lastNew;
  }

  /**
   * The highest position at or before `index` whose term is not above `term`: past it, the logs cannot agree. Term 0 when what
   * lies there is compacted.
   */
  agreementBound(index: number, term: number): LogPosition {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.#commit) return;
    assert(index <= this.lastIndex, `commit ${index} is within the log, which ends at ${this.lastIndex}: was it truncated or lost?`);
    this.#pendingChanges.push(...this.#configChanges(this.#commit, index));
    this.#commit = index;
  }

  /** The received snapshot replaces everything. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#commit, `snapshot ${snapshot.index} is ahead of commit ${this.#commit}`);
    this.#unstable.restore(snapshot);
    this.#commit = snapshot.index;
    this.#applying = snapshot.index;
  }

  get unstableEntries(): readonly Entry[] {
    return this.#unstable.entries;
  }

  get unstableSnapshot(): SnapshotMeta | null {
    return this.#unstable.snapshot;
  }

  get hasCommitted(): boolean {
    return this.#applying < this.#commit;
  }

  /** Committed entries that were not handed out yet; each only once. */
  takeCommitted(): readonly Entry[] {
    const low = this.#applying + 1;
    const entries = defined(this.entries(low, this.#commit + 1, COMMITTED_BYTES_MAX), `committed entry ${low} is in the log`);
    this.#applying += entries.length;
    return entries;
  }

  persisted(snapshot: SnapshotMeta | null, entries: readonly Entry[]): void {
    if (snapshot !== null) {
      this.#unstable.persistedSnapshot(snapshot.index);
      this.appliedTo(Math.max(this.#applied, snapshot.index));
    }
    this.#unstable.persisted(entries);
  }

  appliedTo(index: number): void {
    assert(index <= this.#applying, `applied ${index} was handed out, up to ${this.#applying}`);
    this.#applied = Math.max(this.#applied, index);
    while ((this.#pendingChanges[0] ?? Number.POSITIVE_INFINITY) <= this.#applied) this.#pendingChanges.shift();
  }

  /** The first of the committed changes of membership that are not in force is now. */
  configChangeInForce(): void {
    this.#pendingChanges.shift();
  }

  /** Whether a committed change of membership waits to be applied. */
  hasUnappliedConfigChange(): boolean {
    return this.#unstable.snapshot !== null || this.#pendingChanges.length > 0;
  }

  /** What is committed before the first change of membership that is not in force here. */
  get commitInForce(): number {
    return Math.min(this.#commit, (this.#pendingChanges[0] ?? Number.POSITIVE_INFINITY) - 1);
  }

  /** The latest snapshot that a follower can be sent. */
  snapshot(): SnapshotMeta | null {
    return this.#storage.snapshot();
  }

  /** Indexes of the changes of membership in (after, through]. */
  #configChanges(after: number, through: number): number[] {
    const entries = defined(this.entries(after + 1, through + 1, Number.POSITIVE_INFINITY), "what is not applied is in the log");
    const indexes: number[] = [];
    for (const { type, index } of entries) if (type === "config_change") indexes.push(index);
    return indexes;
  }
}

function limitBytes(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  let end = 0;
  for (const { data } of entries) {
    bytes += data.length;
    if (bytes > bytesMax && end > 0) return entries.slice(0, end);
    end++;
  }
  return entries;
}
