import { assert } from "../base/assert.js";

/** Appends that were sent to one follower and not yet acknowledged, by the index of their last entry: a sliding window. */
export class Inflights {
  readonly #limit: number;
  /** Invariant: ascending. */
  #lastIndexes: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.#lastIndexes.length >= this.#limit;
  }

  add(lastIndex: number): void {
    assert(!this.isFull, "an append is sent only while the window has room");
    this.#lastIndexes.push(lastIndex);
  }

  /** Everything up to `index` was acknowledged. */
  freeUpTo(index: number): void {
    const kept = this.#lastIndexes.findIndex((lastIndex) => lastIndex > index);
    this.#lastIndexes.splice(0, kept === -1 ? this.#lastIndexes.length : kept);
  }

  clear(): void {
    this.#lastIndexes = [];
  }
}
