import type { Clock } from "../../src/base/clock.js";
import { TICK_MS } from "../../src/replica/driver.js";

/** More than the driver applies at a time (SLICE_MS of src/replica/driver.ts). */
const SPENT_MS = 20;

/** A driver's clock: the simulation says when it ticks, and when applying took its time. */
export class TickClock implements Clock {
  readonly #clock: Clock;
  #spentMs = 0;
  #next: (() => void) | null = null;

  /** `clock` is for everything but ticks. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.monotonic();
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#spentMs;
  }

  after(delayMs: number, call: () => void): () => void {
    if (delayMs !== TICK_MS) return this.#clock.after(delayMs, call);
    this.#next = call;
    return () => {
      if (this.#next === call) this.#next = null;
    };
  }

  sleep(): Promise<void> {
    throw new Error("a driver does not sleep");
  }

  tick(): void {
    this.#next?.();
  }

  spendSlice(): void {
    this.#spentMs += SPENT_MS;
  }
}
