import type { StoredEntry } from "./log-records.js";

/** The log's entries that the tail file has and `level` has not. */
export class UnsettledEntries<T extends StoredEntry = StoredEntry> {
  #entries: T[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Those of the same and higher indexes go. */
  add(entries: readonly T[]): void {
    const first = entries[0];
    if (first === undefined) return;
    while ((this.#entries.at(-1)?.entry.index ?? -1) >= first.entry.index) this.#bytes -= this.#entries.pop()?.bytes.length ?? 0;
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#bytes += entry.bytes.length;
    }
  }

  /** All of them, but for those up to an index that nobody needs. */
  take(compacted: number): readonly T[] {
    const entries = this.#entries.filter(({ entry }) => entry.index > compacted);
    this.#entries = [];
    this.#bytes = 0;
    return entries;
  }
}
