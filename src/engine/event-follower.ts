import { ClusterError } from "../base/errors.js";
import type { EngineEvent } from "./events.js";

/** As many as are kept of what happens in the swarm (store/change-history.ts). */
const WAITING_MAX = 4_096;

/** Events on their way to one who may be slow. Holds a bounded number of them, however slow that one is. */
export class EventFollower {
  #waiting: EngineEvent[] = [];
  #isBehind = false;
  #isOver = false;
  #wake: () => void = () => undefined;

  add(event: EngineEvent): void {
    if (this.#waiting.length >= WAITING_MAX) this.#isBehind = true;
    // Nobody gets what comes after a gap, nor what came before it, which was not in time.
    if (this.#isBehind) this.#waiting = [];
    else this.#waiting.push(event);
    this.#wake();
  }

  /** No more come: what waits is still told. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** One after the other, none left out. Throws ClusterError `out_of_range` when too many were waiting. */
  async *events(): AsyncGenerator<EngineEvent, void, undefined> {
    for (;;) {
      if (this.#isBehind) throw new ClusterError("out_of_range", `more than ${WAITING_MAX} events were not read in time`);
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#isOver) return;
      else await this.#news();
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
