import { onAbort } from "../base/abort.js";
import { EventFollower } from "./event-follower.js";

/** What happened to something of this host; names and words are the engine API's. */
export interface EngineEvent {
  readonly type: "container" | "volume" | "image" | "network" | "builder";
  readonly action: string;
  /** Empty for what happened to many at once. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
}

/** How far back events are kept for those who ask later. */
const PAST_MAX = 256;

/** Tells what happens on this host to whoever listens, and remembers the last of it. */
export class EngineEvents {
  readonly #past: EngineEvent[] = [];
  readonly #followers = new Set<EventFollower>();

  /** Oldest first. */
  past(): readonly EngineEvent[] {
    return [...this.#past];
  }

  /** What happens from the call on until the signal aborts, in order. Throws ClusterError `out_of_range` when it is not taken in time: see EventFollower. */
  follow(signal: AbortSignal): AsyncGenerator<EngineEvent, void, undefined> {
    const follower = new EventFollower();
    this.#followers.add(follower);
    onAbort(signal, () => {
      this.#followers.delete(follower);
      follower.end();
    });
    return follower.events();
  }

  /** How many follow. */
  get listenerCount(): number {
    return this.#followers.size;
  }

  tell(event: EngineEvent): void {
    this.#past.push(event);
    if (this.#past.length > PAST_MAX) this.#past.shift();
    for (const follower of this.#followers) follower.add(event);
  }

  /** All that nobody needs of one kind was removed, and so many bytes are free again. */
  tellOfPrune(type: EngineEvent["type"], reclaimedBytes: number, timeMs: number): void {
    this.tell({ type, action: "prune", id: "", attributes: { reclaimed: `${reclaimedBytes}` }, timeMs });
  }
}
