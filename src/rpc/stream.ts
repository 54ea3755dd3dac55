import type { Writable } from "node:stream";
import type { Codec } from "../wire/codec.js";
import { encodeMessage } from "./method.js";

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

/**
 * Writes all messages, waiting whenever the other end reads more slowly. Rejects with what the source threw, or with the signal's
 * reason; the source is then told to stop, but not waited for, since it may be waiting itself.
 */
export async function writeMessages<T>(target: Writable, messages: AsyncIterable<T>, codec: Codec<T>, signal: AbortSignal): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let isDone = false;
  try {
    for (;;) {
      const next = await unlessAborted(signal, iterator.next());
      if (next.done === true) break;
      if (!target.write(encodeMessage(codec, next.value))) await unlessAborted(signal, drained(target));
    }
    isDone = true;
  } finally {
    if (!isDone) iterator.return?.().catch(() => undefined); // What stopped us is already on its way to the caller.
  }
}

function drained(target: Writable): Promise<void> {
  return new Promise((resolve) => target.once("drain", resolve));
}
