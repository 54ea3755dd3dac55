import { roughBytes } from "./object-size.js";
import type { StoreEvent } from "./view.js";

/** One event of the past. */
export interface PastEvent {
  /** Place among all events of the store. */
  readonly sequence: number;
  readonly revision: number;
  /** When its transaction was begun, by the clock of the manager that led then. */
  readonly atMs: number;
  readonly event: StoreEvent;
}

interface KeptEvent extends PastEvent {
  readonly bytes: number;
}

/** The newest events of one kind of object, bounded by number and by size; the oldest go first. */
export class EventRing {
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  /** Invariant: event number n of this ring, #first <= n < #next, is at n % #eventsMax. */
  #events: (KeptEvent | undefined)[] = [];
  #first = 0;
  #next = 0;
  #bytes = 0;
  /** All events of later revisions are here. */
  #floor = 0;

  constructor(limits: { readonly eventsMax: number; readonly bytesMax: number }) {
    this.#eventsMax = limits.eventsMax;
    this.#bytesMax = limits.bytesMax;
  }

  get floor(): number {
    return this.#floor;
  }

  add({ sequence, revision, atMs, event }: PastEvent): void {
    const { object, previous } = event;
    const bytes = roughBytes(object) + (previous === object ? 0 : roughBytes(previous));
    if (this.#next - this.#first === this.#eventsMax) this.#dropOldest();
    this.#events[this.#next++ % this.#eventsMax] = { sequence, revision, atMs, event, bytes };
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) this.#dropOldest();
  }

  /** Forgets everything: what follows is not joined to what was before. */
  reset(floor: number): void {
    this.#events = [];
    this.#first = this.#next;
    this.#bytes = 0;
    this.#floor = floor;
  }

  /** The lowest revision after the given one that has an event here. */
  revisionAfter(revision: number): number | undefined {
    return this.#at(this.#firstAfter(revision))?.revision;
  }

  /** The events of a revision, in order. */
  *of(revision: number): Generator<PastEvent, void, undefined> {
    for (let number = this.#firstAfter(revision - 1); ; number++) {
      const kept = this.#at(number);
      if (kept?.revision !== revision) return;
      yield kept;
    }
  }

  #firstAfter(revision: number): number {
    let [low, high] = [this.#first, this.#next];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#at(middle)?.revision ?? 0) > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #at(number: number): KeptEvent | undefined {
    return number < this.#next ? this.#events[number % this.#eventsMax] : undefined;
  }

  #dropOldest(): void {
    const at = this.#first++ % this.#eventsMax;
    const oldest = this.#events[at];
    this.#events[at] = undefined;
    this.#bytes -= oldest?.bytes ?? 0;
    this.#floor = oldest?.revision ?? this.#floor;
  }
}
