import { ClusterError } from "../../src/base/errors.js";

/** A bounded queue between one or more producers and one consumer that iterates it. */
export class Queue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #items: T[] = [];
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Throws ClusterError `unavailable` when the consumer is `limit` items behind: the producer decides what to do. */
  push(item: T): void {
    if (this.#closed) return;
    if (this.#items.length >= this.#limit) throw new ClusterError("unavailable", `queue is full (${this.#limit} items)`);
    this.#items.push(item);
    this.#notify();
  }

  /** The consumer gets what is queued, then the end. */
  close(): void {
    this.#closed = true;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift() as T;
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
