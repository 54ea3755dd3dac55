import { assert } from "../base/assert.js";
import type { StoreObject } from "../model/objects.js";
import { eventOf } from "./apply.js";
import { anyTable, newTables, OBJECT_KINDS, objectOf, type TableByKind } from "./schema.js";
import type { StoreEvent } from "./view.js";

/**
 * Builds the tables of a snapshot beside those in use, object by object, and then exchanges them: the work is in `add`, which may be
 * spread over many turns. Nothing may be applied in between. Objects that did not change stay the same.
 */
export class Restoration {
  readonly #current: TableByKind;
  readonly #next: TableByKind = newTables();
  readonly #events: StoreEvent[] = [];
  readonly #done: (events: readonly StoreEvent[], index: number) => void;
  readonly #revision: () => number;
  readonly #startedAt: number;

  constructor(options: {
    readonly tables: TableByKind;
    readonly revision: () => number;
    readonly done: (events: readonly StoreEvent[], index: number) => void;
  }) {
    this.#current = options.tables;
    this.#done = options.done;
    this.#revision = options.revision;
    this.#startedAt = options.revision();
  }

  add(stored: StoreObject): void {
    const object = objectOf(stored);
    const previous = anyTable(this.#current, stored.type).get(object.id);
    // One revision of one object has one content, on every member.
    const isSame = previous?.meta && previous.meta.revision === object.meta?.revision;
    anyTable(this.#next, stored.type).put(isSame ? previous : object);
    if (!isSame) this.#events.push(eventOf(stored.type, previous === undefined ? "create" : "update", object, previous));
  }

  finish(index: number): void {
    assert(this.#revision() === this.#startedAt, "nothing is applied while a snapshot is restored");
    for (const kind of OBJECT_KINDS) {
      const next = anyTable(this.#next, kind);
      const current = anyTable(this.#current, kind);
      for (const previous of current.all()) if (next.get(previous.id) === undefined) this.#events.push(eventOf(kind, "remove", previous, previous));
      current.become(next);
    }
    this.#done(this.#events, index);
  }
}
