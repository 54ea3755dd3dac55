import { nextTurn } from "./next-turn.js";

/** The only place with timers. Everything that waits takes a Clock, so that a test can move time by hand. */
export interface Clock {
  /** Milliseconds since the epoch: for timestamps that people see. */
  now(): number;
  /** Milliseconds from an arbitrary start that never jump: for intervals. */
  monotonic(): number;
  /** Calls once after `delayMs`, unless the returned function was called before. */
  after(delayMs: number, call: () => void): () => void;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

function sleepWith(after: Clock["after"], delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const cancel = after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** As `Clock.sleep`, but one that the signal cuts short is no failure: for loops that look at the signal themselves. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(delayMs, signal).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
  });
}

/** Longest delay that setTimeout keeps, some 24.8 days; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, call) {
    let timer: NodeJS.Timeout;
    const wait = (restMs: number) => {
      timer = restMs > TIMEOUT_MS_MAX ? setTimeout(() => wait(restMs - TIMEOUT_MS_MAX), TIMEOUT_MS_MAX) : setTimeout(call, Math.max(restMs, 0));
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
  sleep: (delayMs, signal) => sleepWith(systemClock.after, delayMs, signal),
};

/** A clock that stands still until `advance`. Calls that are due run in order of their time, then of their registration. */
export class FakeClock implements Clock {
  #nowMs: number;
  #elapsedMs = 0;
  #sequence = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly call: () => void }>();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  /** Whole milliseconds, as of the real one, also after delays that were not. */
  now(): number {
    return Math.round(this.#nowMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, call: () => void): () => void {
    const id = ++this.#sequence;
    this.#timers.set(id, { at: this.#elapsedMs + Math.max(delayMs, 0), call });
    return () => this.#timers.delete(id);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((delay, call) => this.after(delay, call), delayMs, signal);
  }

  /** Sets the wall clock forward or back, as an operator or a time server does: nothing that is due comes sooner or later for it. */
  set(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** How many calls wait: lets a test see that a loop has gone to sleep. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time and lets promise reactions run after each call that was due. */
  async advance(byMs: number): Promise<void> {
    const end = this.#elapsedMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (due === undefined) break;
      const [id, timer] = due;
      this.#timers.delete(id);
      this.#moveTo(timer.at);
      timer.call();
      await settle();
    }
    this.#moveTo(end);
    await settle();
  }

  #moveTo(elapsedMs: number): void {
    const forward = Math.max(elapsedMs - this.#elapsedMs, 0);
    this.#elapsedMs += forward;
    this.#nowMs += forward;
  }
}

/** Lets everything that is ready to run do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
}
