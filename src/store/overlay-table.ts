import { type Identified, type IndexName, type Indexes, type Rows, withIdPrefix } from "./rows.js";
import { Table } from "./table.js";

/** Changes laid over other rows without touching them: reads see both, the changes winning. */
export class OverlayTable<T extends Identified> implements Rows<T> {
  readonly #base: Rows<T>;
  readonly #indexes: Indexes<T>;
  /** Null before the first change. Invariant: an id is never both in `written` and in `removed`. */
  #changes: { readonly written: Table<T>; readonly removed: Set<string> } | null = null;

  constructor(base: Rows<T>, indexes: Indexes<T>) {
    this.#base = base;
    this.#indexes = indexes;
  }

  get size(): number {
    let size = this.#base.size;
    if (this.#changes === null) return size;
    for (const object of this.#changes.written.all()) if (this.#base.get(object.id) === undefined) size++;
    for (const id of this.#changes.removed) if (this.#base.get(id) !== undefined) size--;
    return size;
  }

  get(id: string): T | undefined {
    if (this.#changes?.removed.has(id)) return undefined;
    return this.#changes?.written.get(id) ?? this.#base.get(id);
  }

  *all(): Iterable<T> {
    for (const object of this.#base.all()) if (!this.covers(object.id)) yield object;
    if (this.#changes !== null) yield* this.#changes.written.all();
  }

  byIdPrefix(prefix: string): readonly T[] {
    return this.#merge(this.#base.byIdPrefix(prefix), (written) => withIdPrefix(written.all(), prefix));
  }

  lookup(index: IndexName, key: string): readonly T[] {
    return this.#merge(this.#base.lookup(index, key), (written) => written.lookup(index, key));
  }

  /** True when the overlay says what the object with the id is, or that there is none. */
  covers(id: string): boolean {
    return this.#changes !== null && (this.#changes.removed.has(id) || this.#changes.written.get(id) !== undefined);
  }

  put(object: T): void {
    const { written, removed } = this.#changed();
    removed.delete(object.id);
    written.put(object);
  }

  remove(id: string): void {
    const { written, removed } = this.#changed();
    written.delete(id);
    removed.add(id);
  }

  /** Takes back what the overlay says of the id: the base shows through. */
  uncover(id: string): void {
    this.#changes?.written.delete(id);
    this.#changes?.removed.delete(id);
  }

  #changed() {
    this.#changes ??= { written: new Table(this.#indexes), removed: new Set() };
    return this.#changes;
  }

  #merge(base: readonly T[], find: (written: Table<T>) => readonly T[]): readonly T[] {
    if (this.#changes === null || (this.#changes.written.size === 0 && this.#changes.removed.size === 0)) return base;
    return [...base.filter((object) => !this.covers(object.id)), ...find(this.#changes.written)];
  }
}
