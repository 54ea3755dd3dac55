import { ClusterError } from "../../base/errors.js";

export type LayerEntry = { readonly type: "folder" } | { readonly type: "file" } | { readonly type: "link"; readonly target: string };

const LINKS_MAX = 40;
/** Bounds the memory that a hostile archive can ask for. */
const ENTRIES_MAX = 2_000_000;

/** Where an entry goes: a path below the layer's folder in which no part is a link. */
export interface Place {
  /** Empty for the layer's own folder. */
  readonly path: string;
  /** Folders that must be made first, outermost first. */
  readonly missing: readonly string[];
  /** What the entry replaces. */
  readonly replaces: LayerEntry | undefined;
}

/**
 * What an archive has put into a layer so far, in memory. The folder begins empty and nobody else writes to it, so this is the whole
 * truth: links in the middle of a name are followed here, within the layer, and the disk is never asked where a name leads.
 */
export class LayerTree {
  readonly #entries = new Map<string, LayerEntry>();
  /** Folders by the name that an archive used, until a link or a replacement may change where it leads. */
  readonly #resolved = new Map<string, string>();

  /** Throws ClusterError `invalid_argument` for a name that leaves the archive, or leads through something that is no folder. */
  place(name: string): Place {
    const parts = partsOf(name);
    const last = parts.pop();
    if (last === undefined) return { path: "", missing: [], replaces: { type: "folder" } };
    const folder = this.#folderOf(parts);
    const path = folder === "" ? last : `${folder}/${last}`;
    return { path, missing: this.#missing(folder), replaces: this.#entries.get(path) };
  }

  /** Notes what was made at a path that `place` gave. */
  put(path: string, entry: LayerEntry): void {
    if (path === "") return;
    if (this.#entries.size >= ENTRIES_MAX) throw new ClusterError("invalid_argument", `archive has more than ${ENTRIES_MAX} entries`);
    if (entry.type === "link") this.#resolved.clear();
    this.#entries.set(path, entry);
  }

  /** Forgets a path with everything below it. */
  drop(path: string): void {
    this.#resolved.clear();
    if (this.#entries.get(path)?.type === "folder") {
      for (const other of this.#entries.keys()) if (other.startsWith(`${path}/`)) this.#entries.delete(other);
    }
    this.#entries.delete(path);
  }

  #folderOf(parts: readonly string[]): string {
    const name = parts.join("/");
    const known = this.#resolved.get(name);
    if (known !== undefined) return known;
    const folder = this.#follow(parts, name);
    this.#resolved.set(name, folder);
    return folder;
  }

  #follow(parts: readonly string[], name: string): string {
    const pending = [...parts];
    const real: string[] = [];
    for (let links = 0; pending.length > 0; ) {
      const part = pending.shift() ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        // Only in the target of a link; the layer's own folder is its own parent, as in a container.
        real.pop();
        continue;
      }
      const entry = this.#entries.get([...real, part].join("/"));
      if (entry?.type === "file") throw new ClusterError("invalid_argument", `archive entry below "${name}" lies in a file`);
      if (entry?.type === "link") {
        if (++links > LINKS_MAX) throw new ClusterError("invalid_argument", `archive entry "${name}" leads through too many links`);
        if (entry.target.startsWith("/")) real.length = 0;
        pending.unshift(...entry.target.split("/"));
      } else {
        real.push(part);
      }
    }
    return real.join("/");
  }

  #missing(folder: string): readonly string[] {
    const missing: string[] = [];
    for (let path = folder; path !== "" && !this.#entries.has(path); path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))) missing.unshift(path);
    return missing;
  }
}

/** An absolute name is taken below the layer; one with `..` is refused. */
function partsOf(name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0")) throw new ClusterError("invalid_argument", `archive entry ${JSON.stringify(name)} leaves the archive`);
  return parts;
}
