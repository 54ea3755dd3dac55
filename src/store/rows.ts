import type { TableView } from "./view.js";

/** What each kind of object can be looked up by, beside its id. */
export type IndexName = "name" | "service" | "node" | "slot";

/** The keys of an object in each of its indexes; undefined leaves it out of that index. */
export type Indexes<T> = Readonly<Partial<Record<IndexName, (object: T) => string | undefined>>>;

/** The least that an object of a table has. */
export interface Identified {
  readonly id: string;
}

/** Objects of one kind, with look-up by index. Implemented by Table (applied state) and OverlayTable (proposed state). */
export interface Rows<T> extends TableView<T> {
  lookup(index: IndexName, key: string): readonly T[];
}

/** Objects whose id begins like that: any number of them. */
export function withIdPrefix<T extends Identified>(objects: Iterable<T>, prefix: string): readonly T[] {
  const found: T[] = [];
  for (const object of objects) if (object.id.startsWith(prefix)) found.push(object);
  return found;
}
