import { dirname } from "node:path";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { Database } from "./database.js";
import { StoredFile } from "./stored-file.js";

export type Node = StoredFile | Database | "folder";

type Names = Map<string, Node>;

/** Names of files, as they are seen, and as they are for good: what changes in a folder is durable once that was synced, and in the order of the changes. */
export class Folders {
  #seen: Names;
  readonly #durable: Names;
  /** By folder: changes that are not durable yet. */
  readonly #changes = new Map<string, ((names: Names) => void)[]>();
  /** Whatever a power cut may reach, also without a name. */
  readonly #contents = new Set<StoredFile | Database>();

  /** The first folder is there for good. */
  constructor(root: string) {
    this.#seen = new Map([[root, "folder"]]);
    this.#durable = new Map(this.#seen);
  }

  get(path: string): Node | undefined {
    return this.#seen.get(path);
  }

  namesIn(folder: string): readonly string[] {
    return [...this.#seen.keys()].filter((path) => dirname(path) === folder).map((path) => path.slice(folder.length + 1));
  }

  /** Files whose names begin so. */
  filesBelow(folder: string): readonly (readonly [string, StoredFile])[] {
    return [...this.#seen].flatMap(([path, node]) => (node instanceof StoredFile && dirname(path) === folder ? [[path, node] as const] : []));
  }

  add(path: string, node: Node): void {
    if (node !== "folder") this.#contents.add(node);
    this.#change(dirname(path), (names) => names.set(path, node));
  }

  remove(path: string): void {
    if (this.#seen.has(path)) this.#change(dirname(path), (names) => names.delete(path));
  }

  /** Within one folder. */
  rename(from: string, to: string): void {
    this.#change(dirname(to), (names) => {
      const node = names.get(from);
      if (node === undefined) return;
      names.delete(from);
      names.set(to, node);
    });
  }

  /** What to call when a sync that begins now has ended. */
  syncing(folder: string): () => void {
    const changes = this.#changes.get(folder) ?? [];
    const last = changes.at(-1);
    return () => {
      const count = last === undefined ? 0 : changes.indexOf(last) + 1;
      for (const change of changes.splice(0, count)) change(this.#durable);
    };
  }

  /** The machine is off: of each folder's changes there are all up to one, of the contents what may be. */
  lose(random: Random): void {
    for (const changes of this.#changes.values()) {
      for (const change of changes.slice(0, integerBetween(random, 0, changes.length))) change(this.#durable);
      changes.length = 0;
    }
    for (const path of this.#durable.keys()) if (!this.#isReachable(path)) this.#durable.delete(path);
    this.#seen = new Map(this.#durable);
    for (const content of this.#contents) content.lose(random);
    const named = new Set<Node>(this.#seen.values());
    for (const content of this.#contents) if (!named.has(content)) this.#contents.delete(content);
  }

  /** Something takes a file away. */
  forget(path: string): void {
    this.#seen.delete(path);
    this.#durable.delete(path);
  }

  #isReachable(path: string): boolean {
    const folder = dirname(path);
    return folder === "/" || (this.#durable.has(folder) && this.#isReachable(folder));
  }

  #change(folder: string, change: (names: Names) => void): void {
    change(this.#seen);
    const changes = this.#changes.get(folder);
    if (changes === undefined) this.#changes.set(folder, [change]);
    else changes.push(change);
  }
}
