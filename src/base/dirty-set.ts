/** Keys that need a look, each at most once: the input of a level-triggered loop. Bounded by the number of distinct keys. */
export class DirtySet<K> implements AsyncIterable<K> {
  readonly #keys = new Set<K>();
  #wake: (() => void) | null = null;
  #closed = false;

  add(key: K): void {
    if (this.#closed) return;
    this.#keys.add(key);
    this.#notify();
  }

  close(): void {
    this.#closed = true;
    this.#keys.clear();
    this.#notify();
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
