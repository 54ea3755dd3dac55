import type { Readable } from "node:stream";
import { onAbort } from "../base/abort.js";
import type { Codec } from "../wire/codec.js";

/** Messages of a stream as they arrive, read once in one of the two ways, and no faster than they are taken. */
export interface Incoming<T> extends AsyncIterable<T> {
  /**
   * Calls for each message in the very moment in which it arrives, and goes on once a promise that it returned has resolved. Resolves at the proper end;
   * rejects with what `take` threw, or with why the stream broke.
   */
  takeEach(take: (message: T) => Promise<void> | undefined): Promise<void>;
}

/**
 * Leaving early leaves the other direction of the call alone. When the caller cancels, HTTP/2 in Node.js ends the requests first and
 * resets the call after, so the end alone does not prove that all was said: a stream that must be complete says so in a message.
 */
export function incoming<T>(call: Readable, codec: Codec<T>, signal: AbortSignal): Incoming<T> {
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for await (const bytes of call.iterator({ destroyOnReturn: false })) yield codec.decode(bytes as Buffer);
      } catch (cause) {
        throw signal.aborted ? signal.reason : cause;
      }
    },
    takeEach: (take) => takeEach(call, (bytes) => take(codec.decode(bytes)), signal),
  };
}

function takeEach(call: Readable, take: (bytes: Buffer) => Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (settle: () => void) => {
      call.off("data", onData).off("end", onEnd).off("error", onFailure).off("close", onClose).pause();
      detach();
      settle();
    };
    const onFailure = (cause: unknown) => leave(() => reject(signal.aborted ? signal.reason : cause));
    const onClose = () => onFailure(new Error("the stream was closed before its end"));
    let underWay: Promise<void> | undefined;
    const onData = (bytes: Buffer) => {
      try {
        underWay = take(bytes);
        if (underWay === undefined) return;
        call.pause();
        underWay.then(() => call.resume(), onFailure);
      } catch (cause) {
        onFailure(cause);
      }
    };
    // A stream that is paused does not hold back its end.
    const onEnd = () => {
      call.off("close", onClose);
      if (underWay === undefined) leave(resolve);
      else underWay.then(() => leave(resolve), onFailure);
    };
    let detach: () => void = () => undefined;
    call.on("data", onData).on("end", onEnd).on("error", onFailure).on("close", onClose);
    detach = onAbort(signal, () => onFailure(signal.reason));
  });
}
