import { nextTurn } from "../base/next-turn.js";

/**
 * Runs one pass at a time, whenever something asked for one: at once when idle, and once more for everything that asked while
 * a pass was under way. The latency of a commit is the only pause, so that a burst is gathered and a single change is not delayed.
 */
export class PassLoop {
  #isAsked = true;
  #wake: (() => void) | null = null;

  /** Asks for a pass after this turn. */
  ask(): void {
    this.#isAsked = true;
    this.#wake?.();
  }

  /** Makes passes until the signal aborts, the first at once. Rejects with what a pass throws. */
  async run(pass: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const stop = () => this.#wake?.();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!signal.aborted) {
        if (!this.#isAsked) await this.#asked();
        await nextTurn();
        if (signal.aborted || !this.#isAsked) continue;
        this.#isAsked = false;
        await pass();
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #asked(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }
}
