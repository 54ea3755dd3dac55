import { onAbort } from "../../base/abort.js";

/** Lets one consumer sleep until something changed, without counting how often: the consumer reads what is true by then. */
export class Wakeable {
  #isAwake = false;
  #resume: (() => void) | null = null;

  wake(): void {
    this.#isAwake = true;
    this.#resume?.();
  }

  /** Resolves when `wake` was called since the last time this resolved. Rejects with the signal's reason when it aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isAwake) {
      const detach = onAbort(signal, () => this.#resume?.());
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      this.#resume = null;
      detach();
      signal.throwIfAborted();
    }
    this.#isAwake = false;
  }
}
