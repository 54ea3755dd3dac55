import { roughBytes } from "./object-size.js";

/** So many changes are replicated quickly, and their application does not hold up a turn of the event loop. */
const CHANGES_MAX = 200;
/** Below the limit of a log entry (replica/proposals.ts), so that what is cut by this is never refused. */
const BYTES_MAX = 1_400_000;

/** How much of a long list of changes goes into one transaction. */
export class TransactionRoom {
  #changes = 0;
  #bytes = 0;

  /** True when no further change has room. */
  get isFull(): boolean {
    return this.#changes >= CHANGES_MAX || this.#bytes >= BYTES_MAX;
  }

  /** Counts in what belongs together when there is room for it; the first always has it. */
  take(objects: readonly unknown[]): boolean {
    const bytes = objects.reduce<number>((sum, object) => sum + roughBytes(object), 0);
    const isFirst = this.#changes === 0;
    if (!isFirst && (this.#changes + objects.length > CHANGES_MAX || this.#bytes + bytes > BYTES_MAX)) return false;
    this.#changes += objects.length;
    this.#bytes += bytes;
    return true;
  }
}
