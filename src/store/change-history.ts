import { ClusterError } from "../base/errors.js";
import type { ObjectKind } from "../model/objects.js";
import { EventRing } from "./event-ring.js";
import { OBJECT_KINDS } from "./schema.js";
import type { StoreEvent } from "./view.js";

/** Kept of each kind of object, so that busy tasks do not push out the news of services. */
const EVENTS_MAX = 4_096;
const BYTES_MAX = 4 * 1024 * 1024;

/** What was applied at one revision, in order. */
export interface AppliedChanges {
  readonly revision: number;
  /** When it was written, by the clock of the manager that led then: the same on every member. */
  readonly atMs: number;
  readonly events: readonly StoreEvent[];
}

export interface FollowOptions {
  /** Changes after this revision; without it, after the present one. */
  readonly after?: number;
  /** Without it, all. */
  readonly kinds?: readonly ObjectKind[];
  readonly signal: AbortSignal;
}

/**
 * The newest changes of the store, and everybody who follows them. A follower is no more than its place in this common past: however slow it is, it
 * holds no memory, and it is told when what it wants is not kept any more.
 */
export class ChangeHistory {
  readonly #rings: ReadonlyMap<ObjectKind, EventRing>;
  readonly #waiting = new Set<() => void>();
  #revision = 0;
  #sequence = 0;

  constructor(limits: { readonly eventsMax: number; readonly bytesMax: number } = { eventsMax: EVENTS_MAX, bytesMax: BYTES_MAX }) {
    this.#rings = new Map(OBJECT_KINDS.map((kind) => [kind, new EventRing(limits)]));
  }

  record({ revision, atMs, events }: AppliedChanges): void {
    this.#revision = revision;
    for (const event of events) this.#rings.get(event.kind)?.add({ sequence: ++this.#sequence, revision, atMs, event });
    this.#wake();
  }

  /** The state was replaced as a whole: nobody can go on from before. */
  reset(revision: number): void {
    this.#revision = revision;
    for (const ring of this.#rings.values()) ring.reset(revision);
    this.#wake();
  }

  /**
   * Changes from a revision on, each revision whole and once; after the signal aborted, only those that are there already. Throws ClusterError `out_of_range`,
   * at once or when the follower has fallen behind too far: it must then list again.
   */
  follow({ after = this.#revision, kinds = OBJECT_KINDS, signal }: FollowOptions): AsyncGenerator<AppliedChanges, void, undefined> {
    if (after > this.#revision) throw new ClusterError("out_of_range", `there is no revision ${after} yet: the newest is ${this.#revision}`);
    this.#assertKept(after, kinds);
    return this.#follow(after, kinds, signal);
  }

  /** Everything that is still kept of the kinds, oldest first: it need not reach back to the same revision for each. */
  past(kinds: readonly ObjectKind[]): readonly AppliedChanges[] {
    const past: AppliedChanges[] = [];
    for (let next = this.#next(0, kinds); next !== undefined; next = this.#next(next.revision, kinds)) past.push(next);
    return past;
  }

  async *#follow(after: number, kinds: readonly ObjectKind[], signal: AbortSignal): AsyncGenerator<AppliedChanges, void, undefined> {
    for (let place = after; ; ) {
      this.#assertKept(place, kinds);
      const next = this.#next(place, kinds);
      if (next !== undefined) {
        place = next.revision;
        yield next;
      } else if (signal.aborted) {
        return;
      } else {
        await this.#news(signal);
      }
    }
  }

  #next(after: number, kinds: readonly ObjectKind[]): AppliedChanges | undefined {
    const rings = kinds.flatMap((kind) => this.#rings.get(kind) ?? []);
    const revision = Math.min(...rings.map((ring) => ring.revisionAfter(after) ?? Number.POSITIVE_INFINITY));
    if (revision === Number.POSITIVE_INFINITY) return undefined;
    const found = rings.flatMap((ring) => [...ring.of(revision)]).sort((a, b) => a.sequence - b.sequence);
    return { revision, atMs: found[0]?.atMs ?? 0, events: found.map(({ event }) => event) };
  }

  #assertKept(after: number, kinds: readonly ObjectKind[]): void {
    const floor = Math.max(...kinds.map((kind) => this.#rings.get(kind)?.floor ?? 0));
    if (after >= floor) return;
    throw new ClusterError("out_of_range", `revision ${after} is too old: changes are kept from revision ${floor} on; list again`);
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
