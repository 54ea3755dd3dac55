import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StoreObject } from "../model/objects.js";
import type { SnapshotMeta } from "../raft/message.js";
import { syncFolder } from "../base/durable-file.js";
import { systemCodeOf } from "../base/errors.js";
import { writeFully } from "./durable-file.js";
import { plainRecords, type RecordCodec } from "./record-codec.js";
import { chunksOf, readSnapshotFile, type SnapshotTitle, writeSnapshotFile } from "./snapshot-file.js";
import { countFrames, FrameWriter, firstSealed, readFrames } from "./snapshot-frames.js";

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
  #made = 0;
  /** What is being written, under the key that was the present one when it began. */
  readonly #writing = new Set<Promise<void>>();

  private constructor(path: string, codec: RecordCodec) {
    this.#path = path;
    this.#codec = codec;
  }

  /** Makes the folder when it is not there, and removes what was never finished. */
  static async open(path: string, codec: RecordCodec): Promise<SnapshotFolder> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(path)) if (parseName(name) === null) await rm(join(path, name), { force: true });
    return new SnapshotFolder(path, codec);
  }

  /** Newest first. */
  async list(): Promise<readonly SnapshotName[]> {
    const names = (await readdir(this.#path)).map(parseName).filter((name) => name !== null);
    return names.sort((a, b) => b.index - a.index || b.term - a.term);
  }

  write(title: SnapshotTitle, objects: Iterable<StoreObject>, signal?: AbortSignal): Promise<void> {
    return this.#tracked(writeSnapshotFile(this.pathOf(title.meta), { title, objects, codec: this.#codec, ...(signal === undefined ? {} : { signal }) }));
  }

  /** See readSnapshotFile. */
  async read(name: SnapshotName, onObject: (object: StoreObject) => void): Promise<SnapshotTitle> {
    return await readSnapshotFile(this.pathOf(name), { place: name, codec: this.#codec, onObject });
  }

  /** Stores what a peer streams, sealed anew, and checks every byte of it before it gets its name. */
  receive(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#tracked(this.#store(meta, readFrames(chunks, plainRecords, meta)));
  }

  /** Seals every snapshot with the codec's present key, each written aside, checked and renamed. What is being received or written is waited for. */
  async reseal(signal: AbortSignal): Promise<void> {
    await Promise.allSettled(this.#writing);
    for (const name of await this.list()) {
      signal.throwIfAborted();
      try {
        await this.#resealOne(name);
      } catch (cause) {
        if (systemCodeOf(cause) !== "ENOENT") throw cause; // A newer one has taken its place meanwhile.
      }
    }
  }

  /** Opens a snapshot for a peer, which has a key of its own. It stays readable when it is removed meanwhile; `chunks` may be iterated once. */
  async send(
    name: SnapshotName,
  ): Promise<{ readonly totalBytes: number; readonly chunks: () => AsyncIterable<Uint8Array>; readonly close: () => Promise<void> }> {
    const file = await open(this.pathOf(name), "r");
    try {
      const { size } = await file.stat();
      const totalBytes = size - (await countFrames(file)) * this.#codec.overheadBytes;
      return { totalBytes, chunks: () => travelling(file, this.#codec, name), close: () => file.close() };
    } catch (cause) {
      await file.close();
      throw cause;
    }
  }

  /** Removes all snapshots but the given one and the `older` newest before it. */
  async retain(name: SnapshotName, older: number): Promise<void> {
    const before = (await this.list()).filter((other) => other.index < name.index);
    for (const other of before.slice(older)) await rm(this.pathOf(other), { force: true });
  }

  async #resealOne(name: SnapshotName): Promise<void> {
    await using file = await open(this.pathOf(name), "r");
    if (this.#codec.isCurrent(await firstSealed(file))) return;
    await this.#store(name, readFrames(chunksOf(file), this.#codec, name));
  }

  async #store(place: SnapshotName, frames: AsyncIterable<Uint8Array>): Promise<void> {
    const aside = join(this.#path, `incoming-${++this.#made}.part`);
    try {
      {
        await using file = await open(aside, "w", 0o600);
        const writer = new FrameWriter(this.#codec, place);
        let position = 0;
        for await (const plain of frames) {
          const frame = writer.frame(plain);
          await writeFully(file, frame, position);
          position += frame.length;
        }
        await file.sync();
      }
      await readSnapshotFile(aside, { place, codec: this.#codec, onObject: () => undefined });
      await rename(aside, this.pathOf(place));
      await syncFolder(this.#path);
    } finally {
      await rm(aside, { force: true });
    }
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

async function* travelling(file: FileHandle, codec: RecordCodec, name: SnapshotName): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = new FrameWriter(plainRecords, name);
  for await (const plain of readFrames(chunksOf(file), codec, name)) {
    const frame = frames.frame(plain);
    for (let at = 0; at < frame.length; at += CHUNK_BYTES) yield frame.subarray(at, at + CHUNK_BYTES);
  }
}

function parseName(name: string): SnapshotName | null {
  const found = /^(\d{16})-(\d+)\.snapshot$/.exec(name);
  return found === null ? null : { index: Number(found[1]), term: Number(found[2]) };
}
