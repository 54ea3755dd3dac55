import { assert } from "../base/assert.js";
import type { ConfigState, Entry, HardState, SnapshotMeta } from "../raft/message.js";
import type { LogStorage } from "../raft/ready.js";
import type { LogPosition } from "./log-state.js";

const NO_MEMBERS: ConfigState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/** A durable entry with its place in the chain of checksums. */
export interface LinkedEntry {
  readonly entry: Entry;
  readonly link: Uint8Array;
}

/** The durable log's entries that are not compacted, in memory: what the core reads. */
export class MemoryLog implements LogStorage {
  #hardState: HardState;
  #compacted: LogPosition;
  /** Invariant: entry i has index #compacted.index + 1 + i. */
  #entries: LinkedEntry[];
  #snapshot: SnapshotMeta | null = null;
  #dataBytes: number;

  constructor(options: { readonly hardState: HardState; readonly compacted: LogPosition; readonly entries: readonly LinkedEntry[] }) {
    this.#hardState = options.hardState;
    this.#compacted = options.compacted;
    this.#entries = [...options.entries];
    this.#dataBytes = bytesOf(this.#entries);
  }

  initialState(): { readonly hardState: HardState; readonly config: ConfigState } {
    return { hardState: this.#hardState, config: this.#snapshot?.config ?? NO_MEMBERS };
  }

  firstIndex(): number {
    return this.#compacted.index + 1;
  }

  lastIndex(): number {
    return this.#compacted.index + this.#entries.length;
  }

  term(index: number): number | undefined {
    return index === this.#compacted.index ? this.#compacted.term : this.#entries[index - this.firstIndex()]?.entry.term;
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    if (low <= this.#compacted.index) return undefined;
    const found: Entry[] = [];
    let bytes = 0;
    const end = Math.min(high, this.lastIndex() + 1);
    for (let index = low; index < end; index++) {
      const entry = this.#entries[index - this.firstIndex()]?.entry;
      assert(entry !== undefined, `entry ${index} is in the log`);
      bytes += entry.data.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  snapshot(): SnapshotMeta | null {
    return this.#snapshot;
  }

  /** Term and link of an entry in [firstIndex - 1, lastIndex]. */
  position(index: number): LogPosition | undefined {
    if (index === this.#compacted.index) return this.#compacted;
    const found = this.#entries[index - this.firstIndex()];
    return found === undefined ? undefined : { index, term: found.entry.term, link: found.link };
  }

  /** Data of all entries that are here. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /** How far to compact up to a snapshot at `index`, so that before it stay so many entries, and all `after` an index, but at most so many bytes. */
  compactionBefore(index: number, keep: { readonly entries: number; readonly bytes: number; readonly after: number }): number {
    let bytes = 0;
    let target = index;
    while (target > this.#compacted.index && (index - target < keep.entries || target > keep.after)) {
      bytes += this.#entries[target - this.firstIndex()]?.entry.data.length ?? 0;
      if (bytes > keep.bytes) break;
      target--;
    }
    return target;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  setSnapshot(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot;
  }

  /** Appends; stored entries of the same and higher indexes go. */
  append(entries: readonly LinkedEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.entry.index > this.#compacted.index && first.entry.index <= this.lastIndex() + 1, "the log has no gap");
    this.#dataBytes += bytesOf(entries) - bytesOf(this.#entries.splice(first.entry.index - this.firstIndex()));
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Forgets entries up to the index. */
  compact(index: number): LogPosition {
    const position = this.position(index);
    assert(position !== undefined, `entry ${index} is in the log`);
    this.#dataBytes -= bytesOf(this.#entries.splice(0, index - this.#compacted.index));
    this.#compacted = position;
    return position;
  }

  /** Replaces everything by a snapshot's end. */
  reset(position: LogPosition): void {
    this.#entries = [];
    this.#dataBytes = 0;
    this.#compacted = position;
  }
}

function bytesOf(entries: readonly LinkedEntry[]): number {
  return entries.reduce((sum, { entry }) => sum + entry.data.length, 0);
}
