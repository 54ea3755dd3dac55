import type { Clock } from "../../src/base/clock.js";

/** What a step of the simulation stands for. A tick of the core takes about one. */
export const STEP_MS = 20;

/** A clock that follows the steps of the simulation. */
export class StepClock implements Clock {
  readonly #stepNow: () => number;
  #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor(stepNow: () => number) {
    this.#stepNow = stepNow;
  }

  now(): number {
    return this.monotonic();
  }

  monotonic(): number {
    return this.#stepNow() * STEP_MS;
  }

  after(delayMs: number, call: () => void): () => void {
    const timer = { atMs: this.monotonic() + delayMs, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  sleep(): Promise<void> {
    throw new Error("nothing in a simulation waits by a promise");
  }

  /** Makes the calls that are due. */
  runDue(): void {
    const now = this.monotonic();
    const due = this.#timers.filter(({ atMs }) => atMs <= now);
    if (due.length === 0) return;
    this.#timers = this.#timers.filter(({ atMs }) => atMs > now);
    for (const { call } of due) call();
  }
}
