import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import { integerBetween, type Random } from "../base/random.js";

/** Ticks after which a round without an answer is asked again. The core repeats lost messages itself; this is for what it gave up. */
const ROUND_TICKS_MAX = 20;
/**
 * A round costs the same for one reader as for all: for a while after one that had this many, rounds begin no sooner than so long after each other, and find
 * more. They do not wait when nobody comes any more; fewer readers never wait.
 */
const CROWD = 8;
const CROWD_ROUND_MS = 4;
const CROWD_LASTS_MS = 50;
const NOBODY_COMES_MS = 1;
/** Readers that may wait for an answer or for the store to catch up: beyond that, more callers only make all of them late. */
const READERS_MAX = 100_000;

interface Reader {
  readonly done: Deferred<void>;
  readonly deadlineMs: number;
}

/**
 * Linearizable reads, batched: all that wait when a round starts share it, and while it is under way the next batch gathers. A
 * round may start only after its readers came, so that it sees every write that was acknowledged before.
 */
export class ReadRounds {
  #waiting: Reader[] = [];
  #round: { readonly context: number; readers: Reader[]; ticks: number } | null = null;
  #confirmed: { readonly index: number; readonly readers: readonly Reader[] }[] = [];
  #context: number;
  #readerCount = 0;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #nextRoundMs = 0;
  #crowdUntilMs = 0;
  /** Ends the wait for the next round; null when nobody waits for that alone. */
  #cancelWait: (() => void) | null = null;

  /** `wake` is called when a round that `start` put off may begin. */
  constructor(options: { readonly random: Random; readonly clock: Clock; readonly wake: () => void }) {
    this.#clock = options.clock;
    this.#wake = options.wake;
    // Answers to rounds of an earlier life of this member must not be taken for ours.
    this.#context = integerBetween(options.random, 1, 2 ** 48);
  }

  /** False when readers that come now need not be told of to `start`: it would do nothing, and is called when that changes. */
  get canStart(): boolean {
    return this.#round === null && this.#cancelWait === null;
  }

  /** Rejects with ClusterError `unavailable` when too many wait. */
  add(deadlineMs: number): Promise<void> {
    if (this.#readerCount >= READERS_MAX) return Promise.reject(new ClusterError("unavailable", `${READERS_MAX} reads are waiting`));
    const done = deferred<void>();
    this.#readerCount++;
    this.#waiting.push({ done, deadlineMs });
    return done.promise;
  }

  /** Starts a round when readers wait, none is under way, and it need not be put off. `ask` throws a ClusterError when nobody can be asked now. */
  start(ask: (context: number) => void): void {
    if (!this.canStart || this.#waiting.length === 0) return;
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#nextRoundMs) {
      this.#gather();
      return;
    }
    const context = ++this.#context;
    try {
      ask(context);
    } catch (cause) {
      if (cause instanceof ClusterError) return;
      throw cause;
    }
    if (this.#waiting.length >= CROWD) this.#crowdUntilMs = nowMs + CROWD_LASTS_MS;
    this.#nextRoundMs = nowMs < this.#crowdUntilMs ? nowMs + CROWD_ROUND_MS : nowMs;
    this.#round = { context, readers: this.#waiting, ticks: 0 };
    this.#waiting = [];
  }

  /** The round's answer: its readers may go on once `index` is applied. */
  confirm(context: number, index: number): void {
    if (this.#round?.context !== context) return;
    this.#confirmed.push({ index, readers: this.#round.readers });
    this.#round = null;
  }

  applied(index: number): void {
    this.#confirmed = this.#confirmed.filter((confirmed) => {
      if (confirmed.index > index) return true;
      this.#readerCount -= confirmed.readers.length;
      for (const { done } of confirmed.readers) done.resolve();
      return false;
    });
  }

  /** Time passed: rounds without an answer are asked again, readers past their deadline fail with `no_leader`. */
  tick(nowMs: number): void {
    this.#waiting = this.#withoutLate(this.#waiting, nowMs);
    if (this.#round === null) return;
    this.#round.readers = this.#withoutLate(this.#round.readers, nowMs);
    if (++this.#round.ticks < ROUND_TICKS_MAX) return;
    this.#waiting = [...this.#round.readers, ...this.#waiting];
    this.#round = null;
  }

  /** Fails all that wait for an answer. */
  fail(cause: ClusterError): void {
    const waiting = [...(this.#round?.readers ?? []), ...this.#waiting];
    this.#round = null;
    this.#waiting = [];
    this.#readerCount -= waiting.length;
    for (const { done } of waiting) done.reject(cause);
  }

  /** Fails everyone: the member stops. */
  stop(cause: ClusterError): void {
    this.#cancelWait?.();
    this.fail(cause);
    const confirmed = this.#confirmed.splice(0).flatMap(({ readers }) => readers);
    this.#readerCount -= confirmed.length;
    for (const { done } of confirmed) done.reject(cause);
  }

  #gather(): void {
    const before = this.#waiting.length;
    this.#cancelWait = this.#clock.after(NOBODY_COMES_MS, () => {
      this.#cancelWait = null;
      if (this.#waiting.length === before) this.#nextRoundMs = 0;
      this.#wake();
    });
  }

  /** Fails the readers that are past their deadline and returns the others. */
  #withoutLate(readers: Reader[], nowMs: number): Reader[] {
    if (readers.every(({ deadlineMs }) => nowMs < deadlineMs)) return readers;
    return readers.filter(({ done, deadlineMs }) => {
      if (nowMs < deadlineMs) return true;
      this.#readerCount--;
      done.reject(new ClusterError("no_leader", "no leader confirmed the read in time"));
      return false;
    });
  }
}
