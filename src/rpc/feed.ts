import type { Writable } from "node:stream";
import { onAbort } from "../base/abort.js";
import { type Encoder, encodeMessage } from "./method.js";

/**
 * What one stream that stays open is to carry, written in the very moment in which it comes up: where messages are small and many, the promises of an
 * iteration would cost more than the messages. For one stream, once.
 */
export class Feed<T> {
  readonly #next: () => T | null;
  #pump: () => void = () => undefined;

  /** `next` gives what is to be sent now, null when there is nothing. It is not asked while the other end reads more slowly; what waits is for its owner to bound. */
  constructor(next: () => T | null) {
    this.#next = next;
  }

  /** There may be something to send. */
  wake(): void {
    this.#pump();
  }

  /** Rejects with what `next` threw, or with the signal's reason; nothing is asked for or written after that. */
  writeTo(target: Writable, encoder: Encoder<T>, signal: AbortSignal): Promise<never> {
    return new Promise((_resolve, reject) => {
      const leave = (cause: unknown) => {
        this.#pump = () => undefined;
        target.off("drain", pump);
        detach();
        reject(cause);
      };
      const pump = () => {
        try {
          while (!target.writableNeedDrain) {
            const message = this.#next();
            if (message === null) return;
            target.write(encodeMessage(encoder, message));
          }
        } catch (cause) {
          leave(cause);
        }
      };
      let detach: () => void = () => undefined;
      this.#pump = pump;
      target.on("drain", pump);
      detach = onAbort(signal, () => leave(signal.reason));
      this.#pump();
    });
  }
}
