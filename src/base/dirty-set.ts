import type { Clock } from "./clock.js";

/** Keys that need a look, each at most once: the input of a level-triggered loop. Bounded by the number of distinct keys. */
export class DirtySet<K> implements AsyncIterable<K> {
  readonly #keys = new Set<K>();
  /** Those that are to come, with what takes them back. */
  readonly #later = new Map<K, () => void>();
  #wake: (() => void) | null = null;
  #closed = false;

  add(key: K): void {
    this.#takeBack(key);
    if (this.#closed) return;
    this.#keys.add(key);
    this.#notify();
  }

  /** Adds the key after a delay, which starts anew with each such call. One that is added before does not come again: a look that failed is taken once more, however often it was asked for meanwhile. */
  addLater(key: K, clock: Clock, delayMs: number): void {
    this.#takeBack(key);
    if (!this.#closed)
      this.#later.set(
        key,
        clock.after(delayMs, () => this.add(key)),
      );
  }

  close(): void {
    this.#closed = true;
    this.#keys.clear();
    for (const key of [...this.#later.keys()]) this.#takeBack(key);
    this.#notify();
  }

  #takeBack(key: K): void {
    this.#later.get(key)?.();
    this.#later.delete(key);
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<K, void, undefined> {
    for (;;) {
      for (const key of this.#keys) {
        this.#keys.delete(key);
        yield key;
      }
      if (this.#closed) return;
      if (this.#keys.size > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
