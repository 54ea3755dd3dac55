import { unlessAborted } from "./abort.js";

interface Shared<T> {
  readonly done: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/** Calls that several want at the same time and that are made once. A call is aborted when nobody waits for it any more. */
export class SharedCalls<T> {
  readonly #running = new Map<string, Shared<T>>();

  /** The outcome of the call with this key, which is begun when none is under way. Rejects with the signal's reason when it aborts first. */
  async run(key: string, signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const shared = this.#running.get(key) ?? this.#begin(key, call);
    shared.waiters++;
    try {
      return await unlessAborted(signal, shared.done);
    } finally {
      if (--shared.waiters === 0) {
        this.#forget(key, shared);
        shared.controller.abort();
      }
    }
  }

  #begin(key: string, call: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const controller = new AbortController();
    const shared: Shared<T> = { controller, waiters: 0, done: call(controller.signal).finally(() => this.#forget(key, shared)) };
    // Whoever waits sees its failure; one that nobody waits for any more was aborted.
    shared.done.catch(() => undefined);
    this.#running.set(key, shared);
    return shared;
  }

  #forget(key: string, shared: Shared<T>): void {
    if (this.#running.get(key) === shared) this.#running.delete(key);
  }
}
