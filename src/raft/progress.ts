import { assert } from "../base/assert.js";
import { type InflightLimits, Inflights } from "./inflights.js";

/**
 * - `probe`: where the follower's log agrees is unknown; one append per answer or heartbeat.
 * - `replicate`: it agrees; appends are sent ahead of the answers, as many as the window holds.
 * - `snapshot`: it needs what is compacted; nothing is sent until the snapshot arrived or failed.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** What a leader knows of one member's log. Invariant: match < next. */
export class Progress {
  state: ProgressState = "probe";
  /** Highest index known to be durable there and equal to ours. */
  match = 0;
  /** First index of the next append. */
  next: number;
  /** Answered since the last check of the quorum. */
  recentlyActive: boolean;
  /** The same of the time between the two checks before; who is new to this leader had no time to. */
  #wasActive = true;
  isLearner: boolean;
  #pendingSnapshot = 0;
  /** No append until the next answer: a probe is under way or the window is full. */
  #isFlowPaused = false;
  readonly #inflights: Inflights;

  constructor(options: { readonly next: number; readonly window: InflightLimits; readonly recentlyActive: boolean; readonly isLearner: boolean }) {
    this.next = options.next;
    this.recentlyActive = options.recentlyActive;
    this.isLearner = options.isLearner;
    this.#inflights = new Inflights(options.window);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.#isFlowPaused;
  }

  /** It has the log up to this index, or will with the snapshot that is on its way. */
  get expected(): number {
    return Math.max(this.match, this.#pendingSnapshot);
  }

  /** False when only an empty append may be sent, to find out whether the ones under way were lost. */
  get hasRoom(): boolean {
    return !this.#inflights.isFull;
  }

  /** False when nothing came from it since the last check of the quorum but one. */
  get answersLately(): boolean {
    return this.recentlyActive || this.#wasActive;
  }

  /** The quorum was checked: who counts at the next check has to answer again. */
  beginPeriod(isSelf: boolean): void {
    this.#wasActive = this.recentlyActive;
    this.recentlyActive = isSelf;
  }

  becomeProbe(): void {
    this.next = Math.max(this.match, this.#pendingSnapshot) + 1;
    this.#become("probe");
  }

  becomeReplicate(): void {
    this.next = this.match + 1;
    this.#become("replicate");
  }

  becomeSnapshot(index: number): void {
    this.#become("snapshot");
    this.#pendingSnapshot = index;
  }

  /** After the stream ended. A probe follows: at once on the next answer, otherwise after the next heartbeat. */
  snapshotEnded(ok: boolean): void {
    if (!ok) this.#pendingSnapshot = 0;
    this.becomeProbe();
    this.#isFlowPaused = true;
  }

  /** An append of so many entries, with so much data, is on its way. */
  sent(entryCount: number, bytes: number): void {
    if (this.state === "probe") {
      this.#isFlowPaused = true;
      return;
    }
    if (entryCount > 0) {
      this.next += entryCount;
      this.#inflights.add(this.next - 1, bytes);
    }
    this.#isFlowPaused = this.#inflights.isFull;
  }

  /** The member answered something: one more append may be tried. */
  resume(): void {
    this.#isFlowPaused = false;
  }

  /** The log agrees and is durable up to `index`. False when that is no news. */
  maybeAdvance(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    assert(this.match < this.next, `match ${this.match} is below next ${this.next}`);
    return true;
  }

  freeInflights(): void {
    this.#inflights.freeUpTo(this.match);
    this.#isFlowPaused = this.#inflights.isFull;
  }

  /** The append after `rejected` was refused; the logs may agree up to `hint`. False when the refusal is stale. */
  maybeStepBack(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#isFlowPaused = false;
    return true;
  }

  #become(state: ProgressState): void {
    this.state = state;
    this.#pendingSnapshot = 0;
    this.#isFlowPaused = false;
    this.#inflights.clear();
  }
}
