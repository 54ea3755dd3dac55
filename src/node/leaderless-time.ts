import type { Clock } from "../base/clock.js";

/** How long nobody led before the present leader did, as far as this member knows: it says how often nodes still ask for one. */
export class LeaderlessTime {
  readonly #clock: Clock;
  /** Monotonic; null while a leader is known. Before the first one, since nobody knows when. */
  #sinceMs: number | null = Number.NEGATIVE_INFINITY;
  #raftId: number | undefined;
  #lastMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In ms; Infinity when this member has known no leader before. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** To be called at each change of leadership, with the leader's raft id. */
  see(raftId: number | undefined): void {
    if (raftId === undefined) {
      this.#sinceMs ??= this.#clock.monotonic();
      return;
    }
    if (this.#sinceMs !== null || raftId !== this.#raftId) this.#lastMs = this.#sinceMs === null ? 0 : this.#clock.monotonic() - this.#sinceMs;
    this.#sinceMs = null;
    this.#raftId = raftId;
  }
}
