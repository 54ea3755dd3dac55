import type { Writable } from "node:stream";
import { unlessAborted } from "../base/abort.js";
import type { Codec } from "../wire/codec.js";
import { encodeMessage } from "./method.js";

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
