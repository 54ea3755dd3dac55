/** Calls when the signal aborts, at once if it has; returns a function that takes this back. */
export function onAbort(signal: AbortSignal | undefined, call: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    call();
    return () => {};
  }
  signal.addEventListener("abort", call, { once: true });
  return () => signal.removeEventListener("abort", call);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}

/**
 * A controller that also aborts when one of the signals does, until it is disposed of. Then, and once it has aborted, nothing of it is left on them; AbortSignal.any of
 * Node.js 20 leaves an entry on each of them for as long as that one lives, which is too much on the signal of a whole daemon for each request.
 */
export class AbortScope extends AbortController implements Disposable {
  readonly #detach: (() => void)[] = [];

  constructor(...signals: readonly AbortSignal[]) {
    super();
    for (const signal of signals) if (!this.signal.aborted) this.#detach.push(onAbort(signal, () => this.abort(signal.reason)));
  }

  override abort(reason?: unknown): void {
    this[Symbol.dispose]();
    super.abort(reason);
  }

  [Symbol.dispose](): void {
    for (const detach of this.#detach.splice(0)) detach();
  }
}

/**
 * The promise's outcome, or the signal's reason if that comes first. Unlike Promise.race it leaves nothing behind on the signal,
 * so that a stream may wait a million times.
 */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const detach = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(detach);
  });
}
