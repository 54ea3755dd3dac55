import { assert } from "../base/assert.js";
import type { Entry, SnapshotMeta } from "./message.js";

/**
 * The tail of the log that the driver has not reported durable yet, and the snapshot before it, if one was received.
 * Invariant: entries[i].index === offset + i; with a snapshot, offset === snapshot.index + 1.
 */
export class Unstable {
  snapshot: SnapshotMeta | null = null;
  #offset: number;
  #entries: Entry[] = [];

  constructor(offset: number) {
    this.#offset = offset;
  }

  /** Index of the first entry that is here; everything before it is in storage. */
  get offset(): number {
    return this.#offset;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get lastIndex(): number | undefined {
    return this.#entries.at(-1)?.index;
  }

  term(index: number): number | undefined {
    if (index < this.#offset) return this.snapshot?.index === index ? this.snapshot.term : undefined;
    return this.#entries[index - this.#offset]?.term;
  }

  slice(low: number, high: number): readonly Entry[] {
    return this.#entries.slice(low - this.#offset, high - this.#offset);
  }

  /** Replaces whatever is at the same and higher indexes. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const kept = first.index - this.#offset;
    if (kept <= 0) {
      assert(this.snapshot === null || kept === 0, "entries before a received snapshot are never written");
      this.#offset = first.index;
      this.#entries = [...entries];
      return;
    }
    assert(kept <= this.#entries.length, `entry ${first.index} leaves no gap`);
    this.#entries.length = kept;
    for (const entry of entries) this.#entries.push(entry);
  }

  restore(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot;
    this.#offset = snapshot.index + 1;
    this.#entries = [];
  }

  /**
   * These entries are durable. Where another leader's entries took the place of the last ones meanwhile, those before still are: equal index and
   * term mean equal logs up to there.
   */
  persisted(entries: readonly Entry[]): void {
    const last = entries.findLast(({ index, term }) => index >= this.#offset && this.term(index) === term);
    if (last === undefined) return;
    this.#entries = this.#entries.slice(last.index + 1 - this.#offset);
    this.#offset = last.index + 1;
  }

  persistedSnapshot(index: number): void {
    if (this.snapshot?.index === index) this.snapshot = null;
  }
}
