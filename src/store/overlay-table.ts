import { type Identified, type IndexName, type Indexes, type Rows, withIdPrefix } from "./rows.js";
import { Table } from "./table.js";

/** Changes laid over other rows without touching them: reads see both, the changes winning. */
export class OverlayTable<T extends Identified> implements Rows<T> {
  readonly #base: Rows<T>;
  /** Invariant: an id is never both in #written and in #removed. */
  readonly #written: Table<T>;
  readonly #removed = new Set<string>();

  constructor(base: Rows<T>, indexes: Indexes<T>) {
    this.#base = base;
    this.#written = new Table(indexes);
  }

  get size(): number {
    let size = this.#base.size;
    for (const object of this.#written.all()) if (this.#base.get(object.id) === undefined) size++;
    for (const id of this.#removed) if (this.#base.get(id) !== undefined) size--;
    return size;
  }

  get(id: string): T | undefined {
    if (this.#removed.has(id)) return undefined;
    return this.#written.get(id) ?? this.#base.get(id);
  }

  *all(): Iterable<T> {
    for (const object of this.#base.all()) if (!this.covers(object.id)) yield object;
    yield* this.#written.all();
  }

  byIdPrefix(prefix: string): readonly T[] {
    return this.#merge(this.#base.byIdPrefix(prefix), withIdPrefix(this.#written.all(), prefix));
  }

  lookup(index: IndexName, key: string): readonly T[] {
    return this.#merge(this.#base.lookup(index, key), this.#written.lookup(index, key));
  }

  /** True when the overlay says what the object with the id is, or that there is none. */
  covers(id: string): boolean {
    return this.#removed.has(id) || this.#written.get(id) !== undefined;
  }

  put(object: T): void {
    this.#removed.delete(object.id);
    this.#written.put(object);
  }

  remove(id: string): void {
    this.#written.delete(id);
    this.#removed.add(id);
  }

  /** Takes back what the overlay says of the id: the base shows through. */
  uncover(id: string): void {
    this.#written.delete(id);
    this.#removed.delete(id);
  }

  #merge(base: readonly T[], written: readonly T[]): readonly T[] {
    if (this.#written.size === 0 && this.#removed.size === 0) return base;
    return [...base.filter((object) => !this.covers(object.id)), ...written];
  }
}
