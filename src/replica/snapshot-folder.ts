import { join } from "node:path";
import type { StoreObject } from "../model/objects.js";
import type { SnapshotMeta } from "../raft/message.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { Disk, DiskFile } from "./disk.js";
import { IncomingSnapshot } from "./incoming-snapshot.js";
import { nodeDisk } from "./node-disk.js";
import { plainRecords, type RecordCodec } from "./record-codec.js";
import { chunksOf, readSnapshotFile, type SnapshotPace, type SnapshotTitle, writeSnapshotFile } from "./snapshot-file.js";
import {
  countFrames,
  FRAME_HEADER_BYTES,
  FrameWriter,
  firstSealed,
  isSameProgress,
  NOTHING_RECEIVED,
  nextProgress,
  readFrames,
  type SnapshotPlace,
  type SnapshotProgress,
} from "./snapshot-frames.js";
import type { SnapshotRest } from "./transport.js";

/** Bytes of a snapshot that travel at a time. */
const CHUNK_BYTES = 256 * 1024;

interface SnapshotName {
  readonly index: number;
  readonly term: number;
}

/** The snapshots of one member: files named by index and term, visible only when they are whole. */
export class SnapshotFolder {
  readonly #path: string;
  readonly #codec: RecordCodec;
  readonly #disk: Disk;
  #made = 0;
  /** What is being written, under the key that was the present one when it began. */
  readonly #writing = new Set<Promise<void>>();
  /** What a peer began to stream and has not finished; at most one. */
  #incoming: IncomingSnapshot | null = null;

  private constructor(path: string, codec: RecordCodec, disk: Disk) {
    this.#path = path;
    this.#codec = codec;
    this.#disk = disk;
  }

  /** Makes the folder when it is not there, and removes what was never finished. */
  static async open(path: string, codec: RecordCodec, disk = nodeDisk): Promise<SnapshotFolder> {
    await disk.makeFolder(path);
    for (const name of await disk.namesIn(path)) if (parseName(name) === null) await disk.remove(join(path, name));
    return new SnapshotFolder(path, codec, disk);
  }

  /** Newest first. */
  async list(): Promise<readonly SnapshotName[]> {
    const names = (await this.#disk.namesIn(this.#path)).map(parseName).filter((name) => name !== null);
    return names.sort((a, b) => b.index - a.index || b.term - a.term);
  }

  write(title: SnapshotTitle, objects: Iterable<StoreObject>, pace?: SnapshotPace): Promise<void> {
    return this.#tracked(
      writeSnapshotFile(this.#disk, this.pathOf(title.meta), { title, objects, codec: this.#codec, ...(pace === undefined ? {} : { pace }) }),
    );
  }

  /** See readSnapshotFile. */
  async read(name: SnapshotName, onObject: (object: StoreObject) => void): Promise<SnapshotTitle> {
    return await readSnapshotFile(this.#disk, this.pathOf(name), { place: name, codec: this.#codec, onObject });
  }

  /** How much of a snapshot came before its connection broke. Another one, a restart and a new key begin anew. */
  received(place: SnapshotPlace): SnapshotProgress {
    return this.#incoming !== null && isSamePlace(this.#incoming.place, place) ? this.#incoming.progress : NOTHING_RECEIVED;
  }

  /**
   * Stores what a peer streams, sealed anew, and checks every byte of it before it gets its name. `after` is what is here already; nothing begins anew. When the
   * chunks fail, what came stays for the next time. Throws ClusterError `aborted` when something else is here.
   */
  receive(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress = NOTHING_RECEIVED): Promise<void> {
    return this.#tracked(this.#receive(meta, chunks, after));
  }

  /** Seals every snapshot with the codec's present key, each written aside, checked and renamed. What is being received or written is waited for. */
  async reseal(signal: AbortSignal): Promise<void> {
    await Promise.allSettled(this.#writing);
    await this.#forgetIncoming();
    // A process that was killed may have sealed one anew, and have left its name to a power cut.
    await this.#disk.syncFolder(this.#path);
    for (const name of await this.list()) {
      signal.throwIfAborted();
      try {
        await this.#resealOne(name);
      } catch (cause) {
        if (systemCodeOf(cause) !== "ENOENT") throw cause; // A newer one has taken its place meanwhile.
      }
    }
  }

  /** Opens a snapshot for a peer, which has a key of its own. It stays readable when it is removed meanwhile. */
  async send(name: SnapshotName): Promise<{ readonly after: (received: SnapshotProgress) => Promise<SnapshotRest>; readonly close: () => Promise<void> }> {
    const file = await this.#disk.open(this.pathOf(name), "read");
    return { after: (received) => restOf({ file, codec: this.#codec, name }, received), close: () => file[Symbol.asyncDispose]() };
  }

  /** Removes all snapshots but the given one and the `older` newest before it. */
  async retain(name: SnapshotName, older: number): Promise<void> {
    const before = (await this.list()).filter((other) => other.index < name.index);
    for (const other of before.slice(older)) await this.#disk.remove(this.pathOf(other));
    if (this.#incoming !== null && this.#incoming.place.index <= name.index) await this.#forgetIncoming();
  }

  async #receive(place: SnapshotPlace, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress): Promise<void> {
    if (after.frames === 0) await this.#forgetIncoming();
    else if (!isSameProgress(this.received(place), after)) {
      throw new ClusterError("aborted", `another part of the snapshot of index ${place.index} is here by now`);
    }
    this.#incoming ??= new IncomingSnapshot({ place, path: this.#asidePath(), codec: this.#codec, disk: this.#disk });
    const incoming = this.#incoming;
    try {
      await incoming.fill(chunks);
    } catch (cause) {
      if (incoming.isBroken) await this.#forgetIncoming(incoming);
      else if (this.#incoming !== incoming) throw overtaken(cause);
      throw cause;
    }
    // Two connections may have brought the end of it; one of them gives it its name.
    if (this.#incoming !== incoming) throw overtaken();
    this.#incoming = null;
    await incoming.end();
    try {
      await this.#adopt(incoming.path, place);
    } finally {
      await this.#disk.remove(incoming.path);
    }
  }

  async #forgetIncoming(incoming = this.#incoming): Promise<void> {
    if (incoming === null) return;
    if (this.#incoming === incoming) this.#incoming = null;
    await incoming.end();
    await this.#disk.remove(incoming.path);
  }

  async #resealOne(name: SnapshotName): Promise<void> {
    await using file = await this.#disk.open(this.pathOf(name), "read");
    if (this.#codec.isCurrent(await firstSealed(file))) return;
    await this.#store(name, readFrames(chunksOf(file), this.#codec, name));
  }

  async #store(place: SnapshotName, frames: AsyncIterable<Uint8Array>): Promise<void> {
    const aside = this.#asidePath();
    try {
      {
        await using file = await this.#disk.open(aside, "replace");
        const writer = new FrameWriter(this.#codec, place);
        let position = 0;
        for await (const plain of frames) {
          const frame = writer.frame(plain);
          await file.write(frame, position);
          position += frame.length;
        }
        await file.sync();
      }
      await this.#adopt(aside, place);
    } finally {
      await this.#disk.remove(aside);
    }
  }

  /** Gives a durable file its name, when every byte of it is right. */
  async #adopt(aside: string, place: SnapshotPlace): Promise<void> {
    await readSnapshotFile(this.#disk, aside, { place, codec: this.#codec, onObject: () => undefined });
    await this.#disk.rename(aside, this.pathOf(place));
    await this.#disk.syncFolder(this.#path);
  }

  #asidePath(): string {
    return join(this.#path, `incoming-${++this.#made}.part`);
  }

  #tracked(work: Promise<void>): Promise<void> {
    const done = work.finally(() => this.#writing.delete(done));
    this.#writing.add(done);
    return done;
  }

  pathOf({ index, term }: SnapshotName): string {
    return join(this.#path, `${String(index).padStart(16, "0")}-${term}.snapshot`);
  }
}

interface Opened {
  readonly file: DiskFile;
  readonly codec: RecordCodec;
  readonly name: SnapshotName;
}

/** What follows what the peer has, when that is how this snapshot begins; otherwise all of it. */
async function restOf(snapshot: Opened, received: SnapshotProgress): Promise<SnapshotRest> {
  const { file, codec, name } = snapshot;
  const plain = readFrames(chunksOf(file), codec, name);
  let [progress, skippedBytes] = [NOTHING_RECEIVED, 0];
  while (progress.frames < received.frames) {
    const next = await plain.next();
    if (next.done === true) break;
    progress = nextProgress(progress, next.value);
    skippedBytes += FRAME_HEADER_BYTES + next.value.length;
  }
  if (!isSameProgress(progress, received)) return restOf(snapshot, NOTHING_RECEIVED);
  const totalBytes = (await file.size()) - (await countFrames(file)) * codec.overheadBytes - skippedBytes;
  return { received: progress, totalBytes, chunks: () => travelling(plain, name, progress) };
}

async function* travelling(plain: AsyncIterable<Uint8Array>, name: SnapshotName, after: SnapshotProgress): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = new FrameWriter(plainRecords, name, after);
  for await (const bytes of plain) {
    const frame = frames.frame(bytes);
    for (let at = 0; at < frame.length; at += CHUNK_BYTES) yield frame.subarray(at, at + CHUNK_BYTES);
  }
}

function overtaken(cause?: unknown): ClusterError {
  return new ClusterError("aborted", "another connection brought this snapshot, or another one", { cause });
}

function isSamePlace(a: SnapshotPlace, b: SnapshotPlace): boolean {
  return a.index === b.index && a.term === b.term;
}

function parseName(name: string): SnapshotName | null {
  const found = /^(\d{16})-(\d+)\.snapshot$/.exec(name);
  return found === null ? null : { index: Number(found[1]), term: Number(found[2]) };
}
