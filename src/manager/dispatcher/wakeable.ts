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
      const onAbort = () => this.#resume?.();
      signal.addEventListener("abort", onAbort, { once: true });
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      this.#resume = null;
      signal.removeEventListener("abort", onAbort);
      signal.throwIfAborted();
    }
    this.#isAwake = false;
  }
}
