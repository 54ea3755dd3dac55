import { type Identified, type IndexName, type Indexes, type Rows, withIdPrefix } from "./rows.js";

/** The objects under one key: most keys have one, and a Map for each of those would be most of an index's memory. */
type Bucket<T> = T | Map<string, T>;

const NONE: readonly never[] = [];

/** Objects of one kind by id, with secondary indexes kept in step. Writing and exact look-up cost the same at any size. */
export class Table<T extends Identified> implements Rows<T> {
  #objects = new Map<string, T>();
  readonly #indexes: ReadonlyArray<readonly [IndexName, (object: T) => string | undefined]>;
  /** Invariant: each object of #objects is under exactly the keys that its index functions give, and nothing else is. */
  #buckets = new Map<IndexName, Map<string, Bucket<T>>>();

  constructor(indexes: Indexes<T>) {
    this.#indexes = Object.entries(indexes) as [IndexName, (object: T) => string | undefined][];
    for (const [name] of this.#indexes) this.#buckets.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(id: string): T | undefined {
    return this.#objects.get(id);
  }

  all(): Iterable<T> {
    return this.#objects.values();
  }

  byIdPrefix(prefix: string): readonly T[] {
    return withIdPrefix(this.#objects.values(), prefix);
  }

  lookup(index: IndexName, key: string): readonly T[] {
    const bucket = this.#buckets.get(index)?.get(key);
    if (bucket === undefined) return NONE;
    return bucket instanceof Map ? [...bucket.values()] : [bucket];
  }

  /** Stores the object in the place of one with the same id, which it returns. */
  put(object: T): T | undefined {
    const previous = this.#objects.get(object.id);
    this.replace(previous, object);
    return previous;
  }

  /** The same for a caller that has looked up what has the id: in a large table, that is most of the work. */
  replace(previous: T | undefined, object: T): void {
    this.#objects.set(object.id, object);
    for (const [name, keyOf] of this.#indexes) {
      const key = keyOf(object);
      const previousKey = previous === undefined ? undefined : keyOf(previous);
      if (previousKey !== undefined && previousKey !== key) this.#unlist(name, previousKey, object.id);
      if (key !== undefined) this.#list(name, key, object);
    }
  }

  /** Removes the object with the id and returns it. */
  delete(id: string): T | undefined {
    const previous = this.#objects.get(id);
    if (previous === undefined) return undefined;
    this.#objects.delete(id);
    for (const [name, keyOf] of this.#indexes) {
      const key = keyOf(previous);
      if (key !== undefined) this.#unlist(name, key, id);
    }
    return previous;
  }

  /** Takes over all that is in another table of the same kind, which is not to be used any more. */
  become(other: Table<T>): void {
    this.#objects = other.#objects;
    this.#buckets = other.#buckets;
  }

  #list(name: IndexName, key: string, object: T): void {
    const index = this.#buckets.get(name);
    const bucket = index?.get(key);
    if (bucket instanceof Map) bucket.set(object.id, object);
    else if (bucket === undefined || bucket.id === object.id) index?.set(key, object);
    else {
      index?.set(
        key,
        new Map([
          [bucket.id, bucket],
          [object.id, object],
        ]),
      );
    }
  }

  #unlist(name: IndexName, key: string, id: string): void {
    const index = this.#buckets.get(name);
    const bucket = index?.get(key);
    if (bucket instanceof Map) bucket.delete(id);
    if (bucket instanceof Map ? bucket.size === 0 : bucket?.id === id) index?.delete(key);
  }
}
