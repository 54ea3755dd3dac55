import type { Writable } from "node:stream";
import { onAbort } from "../base/abort.js";
import type { Codec } from "../wire/codec.js";
import { encodeMessage } from "./method.js";

/**
 * What one stream that stays open is to carry, written in the very moment in which it comes up: where messages are small and many, the promises of an
 * iteration would cost more than the messages. For one stream, once.
 */
export class Feed<T> {
  readonly #next: () => T | null;
  #pump: () => void = () => undefined;
  #isOver = false;

  /** `next` gives what is to be sent now, null when there is nothing. It is not asked while the other end reads more slowly; what waits is for its owner to bound. */
  constructor(next: () => T | null) {
    this.#next = next;
  }

  /** There may be something to send. */
  wake(): void {
    this.#pump();
  }

  /** Nothing comes after what `next` still gives. */
  end(): void {
    this.#isOver = true;
    this.#pump();
  }

  /** Resolves when all is written. Rejects with what `next` threw, or with the signal's reason; nothing is written after that. */
  writeTo(target: Writable, codec: Codec<T>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (settle: () => void) => {
        this.#pump = () => undefined;
        target.off("drain", pump);
        detach();
        settle();
      };
      const pump = () => {
        try {
          while (!target.writableNeedDrain) {
            const message = this.#next();
            if (message === null) return this.#isOver ? leave(resolve) : undefined;
            target.write(encodeMessage(codec, message));
          }
        } catch (cause) {
          leave(() => reject(cause));
        }
      };
      let detach: () => void = () => undefined;
      this.#pump = pump;
      target.on("drain", pump);
      detach = onAbort(signal, () => leave(() => reject(signal.reason)));
      this.#pump();
    });
  }
}
