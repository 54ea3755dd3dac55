import type { Clock } from "../base/clock.js";

/** How often an end of a stream says that it is there. */
const ALIVE_MS = 2_000;
/** Periods without a word from the other end with which it is given up. */
const SILENT_PERIODS_MAX = 3;

/**
 * Both ends of a stream say something now and then: a cut link is noticed within 6 s, also where nothing else is said, and a slow one is not taken for a
 * cut one, since neither end waits for an answer. A process that was held up itself gives nobody up for it.
 */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #say: () => void;
  readonly #onSilence: () => void;
  #silentPeriods = 0;
  #cancel: () => void;

  constructor(clock: Clock, on: { readonly say: () => void; readonly silence: () => void }) {
    this.#clock = clock;
    this.#say = on.say;
    this.#onSilence = on.silence;
    this.#cancel = clock.after(ALIVE_MS, this.#period);
  }

  /** The other end said something. */
  heard(): void {
    this.#silentPeriods = 0;
  }

  stop(): void {
    this.#cancel();
  }

  readonly #period = (): void => {
    this.#cancel = this.#clock.after(ALIVE_MS, this.#period);
    this.#say();
    if (++this.#silentPeriods >= SILENT_PERIODS_MAX) this.#onSilence();
  };
}
