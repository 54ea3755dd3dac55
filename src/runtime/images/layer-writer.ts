import { constants } from "node:fs";
import { chmod, chown, lchown, link, lutimes, mkdir, open, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Header } from "tar-stream";
import { ClusterError } from "../../base/errors.js";
import { LayerTree, type Place } from "./layer-tree.js";

/** Files up to this size are read into memory and written several at a time. */
const SMALL_BYTES = 256 * 1024;
/** As many as Node.js has threads for files. */
const WRITES_MAX = 4;

const FILE_FLAGS = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;

/** One entry as tar-stream gives it: its content must be read or dropped before the next one comes. */
export interface ArchiveEntry extends AsyncIterable<Uint8Array> {
  readonly header: Header;
  resume(): unknown;
}

/** What an archive held, beside files. */
export interface LayerSummary {
  readonly entries: number;
  /** Sum of the sizes of its files. */
  readonly sizeBytes: number;
  /** Names of device nodes and pipes that were left out, and of files whose extended attributes were. */
  readonly skipped: readonly string[];
}

/**
 * Puts the entries of an archive below one folder, which must be empty and its own. Nothing of an archive can write elsewhere: see
 * LayerTree. Owners are kept when the daemon is root.
 */
export class LayerWriter {
  readonly #folder: string;
  readonly #tree = new LayerTree();
  readonly #isRoot = process.getuid?.() === 0;
  readonly #writing = new Set<Promise<void>>();
  readonly #folderTimes = new Map<string, Date>();
  readonly #skipped: string[] = [];
  #failure: { readonly cause: unknown } | null = null;
  #entries = 0;
  #sizeBytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Throws ClusterError `invalid_argument` for an entry that cannot be honoured. The entry's content has been read when it resolves. */
  async add(entry: ArchiveEntry): Promise<void> {
    const { header } = entry;
    const place = this.#tree.place(header.name);
    this.#entries++;
    await this.#makeMissing(place);
    switch (header.type) {
      case "directory":
        await this.#addFolder(place, header);
        break;
      case "symlink":
        await this.#addLink(place, header);
        break;
      case "link":
        await this.#addHardLink(place, header);
        break;
      case "file":
      case "contiguous-file":
        return await this.#addFile(place, entry);
      default:
        this.#skipped.push(header.name);
    }
    entry.resume();
  }

  /** Waits for every write and sets what later entries would have changed. */
  async finish(): Promise<LayerSummary> {
    await this.#drain();
    // Innermost first: setting the time of a folder's child would move its own.
    for (const [path, time] of [...this.#folderTimes].sort(([a], [b]) => b.length - a.length)) await utimes(this.#at(path), time, time);
    return { entries: this.#entries, sizeBytes: this.#sizeBytes, skipped: this.#skipped };
  }

  /** Resolves when nothing is being written any more, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  async #addFolder(place: Place, header: Header): Promise<void> {
    if (place.replaces?.type !== "folder") {
      await this.#clear(place);
      await mkdir(this.#at(place.path));
      this.#tree.put(place.path, { type: "folder" });
    }
    if (this.#isRoot) await chown(this.#at(place.path), header.uid, header.gid);
    await chmod(this.#at(place.path), modeOf(header));
    this.#folderTimes.set(place.path, timeOf(header));
  }

  async #addLink(place: Place, header: Header): Promise<void> {
    const target = header.linkname;
    this.#assertNotRoot(place, header);
    await this.#clear(place);
    await symlink(target, this.#at(place.path));
    this.#tree.put(place.path, { type: "link", target });
    if (this.#isRoot) await lchown(this.#at(place.path), header.uid, header.gid);
    await lutimes(this.#at(place.path), timeOf(header), timeOf(header));
  }

  async #addHardLink(place: Place, header: Header): Promise<void> {
    const source = this.#tree.place(header.linkname);
    this.#assertNotRoot(place, header);
    if (source.replaces === undefined || source.replaces.type === "folder") {
      throw new ClusterError("invalid_argument", `archive entry "${header.name}" is a link to "${header.linkname}", which is no file before it`);
    }
    if (source.path === place.path) return;
    await this.#clear(place);
    await this.#drain();
    await link(this.#at(source.path), this.#at(place.path));
    this.#tree.put(place.path, source.replaces);
  }

  async #addFile(place: Place, entry: ArchiveEntry): Promise<void> {
    const { header } = entry;
    this.#assertNotRoot(place, header);
    await this.#clear(place);
    this.#tree.put(place.path, { type: "file" });
    this.#noteAttributes(header);
    this.#sizeBytes += header.size;
    if (header.size > SMALL_BYTES) return await this.#write(place.path, header, entry);
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk);
    await this.#writeLater(() => this.#write(place.path, header, chunks));
  }

  async #write(path: string, header: Header, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const file = await open(this.#at(path), FILE_FLAGS, 0o600);
    try {
      for await (const chunk of content) await file.write(chunk);
      // Owner first: changing it takes set-user-id bits away.
      if (this.#isRoot) await file.chown(header.uid, header.gid);
      await file.chmod(modeOf(header));
      await file.utimes(timeOf(header), timeOf(header));
    } finally {
      await file.close();
    }
  }

  async #writeLater(write: () => Promise<void>): Promise<void> {
    while (this.#writing.size >= WRITES_MAX) await Promise.race(this.#writing);
    this.#throwFailure();
    const writing = write()
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  async #drain(): Promise<void> {
    await Promise.all(this.#writing);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.cause;
  }

  async #makeMissing(place: Place): Promise<void> {
    for (const path of place.missing) {
      await mkdir(this.#at(path), { mode: 0o755 });
      this.#tree.put(path, { type: "folder" });
    }
  }

  /** An entry replaces an earlier one of its name, as tar does. */
  async #clear(place: Place): Promise<void> {
    if (place.replaces === undefined) return;
    await this.#drain();
    await rm(this.#at(place.path), { recursive: true, force: true });
    for (const path of this.#folderTimes.keys()) if (path === place.path || path.startsWith(`${place.path}/`)) this.#folderTimes.delete(path);
    this.#tree.drop(place.path);
  }

  #assertNotRoot(place: Place, header: Header): void {
    if (place.path === "") throw new ClusterError("invalid_argument", `archive entry ${JSON.stringify(header.name)} would replace the root folder`);
  }

  /** Extended attributes need the kernel's help that Node.js does not give. */
  #noteAttributes(header: Header): void {
    if (Object.keys((header.pax ?? {}) as object).some((key) => key.startsWith("SCHILY.xattr."))) this.#skipped.push(`${header.name} (extended attributes)`);
  }

  #at(path: string): string {
    return join(this.#folder, path);
  }
}

function modeOf(header: Header): number {
  return header.mode & 0o7777;
}

/** A time that no file system takes becomes the epoch. */
function timeOf(header: Header): Date {
  return Number.isNaN(header.mtime.getTime()) ? new Date(0) : header.mtime;
}
