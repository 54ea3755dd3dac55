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
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  /** Oldest first. */
  past(): readonly EngineEvent[] {
    return [...this.#past];
  }

  /** Until the returned function is called. */
  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many listen. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  tell(event: EngineEvent): void {
    this.#past.push(event);
    if (this.#past.length > PAST_MAX) this.#past.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** All that nobody needs of one kind was removed, and so many bytes are free again. */
  tellOfPrune(type: EngineEvent["type"], reclaimedBytes: number, timeMs: number): void {
    this.tell({ type, action: "prune", id: "", attributes: { reclaimed: `${reclaimedBytes}` }, timeMs });
  }
}
