import { dirname } from "node:path";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { StoreObject } from "../model/objects.js";
import type { SnapshotMeta } from "../raft/message.js";
import { StoreObjectCodec } from "../wire/generated/objects.js";
import { type Member, SnapshotHeaderCodec } from "../wire/generated/raft.js";
import type { Disk, DiskFile } from "./disk.js";
import type { RecordCodec } from "./record-codec.js";
import { FrameWriter, readFrames, type SnapshotPlace } from "./snapshot-frames.js";

/** What a snapshot says of itself: where it stands in the log, and who the members are there. */
export interface SnapshotTitle {
  readonly meta: SnapshotMeta;
  readonly members: readonly Member[];
}

/** Objects are encoded in portions of about this size, between which the event loop turns. */
const PORTION_BYTES = 64 * 1024;

const RESTS_PER_WORK = 2;
const REST_MS_MIN = 2;
/** What took longer was no work: the process was stopped, or its machine was. */
const REST_MS_MAX = 1_000;

/** A file is read in chunks of this size. */
const CHUNK_BYTES = 256 * 1024;

/** First byte of a frame: a header, then any number of portions of objects, then the end with their count. */
const HEADER = 0;
const OBJECTS = 1;
const END = 2;

export interface SnapshotPace {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Writes a snapshot aside and moves it to its name when it is durable. The objects are taken in portions, over many turns; with a `pace` each is followed by a rest, so
 * that it never takes more than a third of a processor from what else there is to do.
 */
export async function writeSnapshotFile(
  disk: Disk,
  path: string,
  snapshot: { readonly title: SnapshotTitle; readonly objects: Iterable<StoreObject>; readonly codec: RecordCodec; readonly pace?: SnapshotPace },
): Promise<void> {
  await writeAside(disk, path, async (file) => {
    const frames = new FrameWriter(snapshot.codec, snapshot.title.meta);
    const { pace } = snapshot;
    const rests = pace === undefined ? null : new Rests(pace);
    let position = 0;
    const write = async (body: Uint8Array) => {
      const frame = frames.frame(body);
      await file.write(frame, position);
      position += frame.length;
    };
    await write(frameOf(HEADER, SnapshotHeaderCodec.encode({ ...snapshot.title, totalBytes: 0, message: null, received: null })));
    let count = 0;
    for (const portion of portionsOf(snapshot.objects)) {
      pace?.signal.throwIfAborted();
      count += portion.count;
      const written = write(frameOf(OBJECTS, portion.bytes));
      rests?.earn();
      await written;
      await rests?.take();
    }
    await write(frameOf(END, Buffer.from(String(count))));
  });
}

/** Twice as long as what was done without a pause before: rests are added up until a timer can keep them. */
class Rests {
  readonly #pace: SnapshotPace;
  #busySince: number;
  #owedMs = 0;

  constructor(pace: SnapshotPace) {
    this.#pace = pace;
    this.#busySince = pace.clock.monotonic();
  }

  /** To be called when the portion was made, in the same turn. */
  earn(): void {
    this.#owedMs += RESTS_PER_WORK * (this.#pace.clock.monotonic() - this.#busySince);
  }

  async take(): Promise<void> {
    if (this.#owedMs >= REST_MS_MIN) {
      const { clock, signal } = this.#pace;
      await clock.sleep(Math.min(this.#owedMs, REST_MS_MAX), signal);
      this.#owedMs = 0;
    }
    this.#busySince = this.#pace.clock.monotonic();
  }
}

/** Creates a file under another name, lets it be written, makes it durable and then visible; a failure leaves nothing. */
async function writeAside(disk: Disk, path: string, write: (file: DiskFile) => Promise<void>): Promise<void> {
  const aside = `${path}.part`;
  try {
    await using file = await disk.open(aside, "replace");
    await write(file);
    await file.sync();
  } catch (cause) {
    await disk.remove(aside);
    throw cause;
  }
  await disk.rename(aside, path);
  await disk.syncFolder(dirname(path));
}

/**
 * Reads a snapshot to its end, handing out its objects. Throws ClusterError `failed_precondition` that names the file when it is
 * damaged: only when it resolves may the objects be used.
 */
export async function readSnapshotFile(
  disk: Disk,
  path: string,
  options: { readonly place: SnapshotPlace; readonly codec: RecordCodec; readonly onObject: (object: StoreObject) => void },
): Promise<SnapshotTitle> {
  try {
    await using file = await disk.open(path, "read");
    return await readSnapshot(file, options);
  } catch (cause) {
    throw new ClusterError("failed_precondition", `snapshot ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

async function readSnapshot(
  file: DiskFile,
  options: { readonly place: SnapshotPlace; readonly codec: RecordCodec; readonly onObject: (object: StoreObject) => void },
): Promise<SnapshotTitle> {
  let title: SnapshotTitle | null = null;
  let count = 0;
  let isComplete = false;
  for await (const frame of readFrames(chunksOf(file), options.codec, options.place)) {
    if (isComplete) throw new ClusterError("invalid_argument", "there is more after its end");
    const body = frame.subarray(1);
    if (frame[0] === HEADER) title = titleOf(body);
    else if (frame[0] === OBJECTS) count += readPortion(body, options.onObject);
    else if (frame[0] === END) isComplete = String(count) === Buffer.from(body).toString();
  }
  if (title === null || !isComplete) throw new ClusterError("invalid_argument", "it is incomplete");
  const { index, term } = title.meta;
  if (index !== options.place.index || term !== options.place.term) throw new ClusterError("invalid_argument", `it is of index ${index} and term ${term}`);
  return title;
}

/** The bytes of a file from its start to its end. */
export async function* chunksOf(file: DiskFile): AsyncGenerator<Uint8Array, void, undefined> {
  for (let position = 0; ; ) {
    const chunk = await file.read(CHUNK_BYTES, position);
    if (chunk.length === 0) return;
    yield chunk;
    position += chunk.length;
  }
}

function titleOf(bytes: Uint8Array): SnapshotTitle {
  const { meta, members } = SnapshotHeaderCodec.decode(bytes);
  if (meta === null) throw new ClusterError("invalid_argument", "its header says no index");
  return { meta, members };
}

function frameOf(kind: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind), body]);
}

function* portionsOf(objects: Iterable<StoreObject>): Generator<{ readonly bytes: Uint8Array; readonly count: number }, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const object of objects) {
    const bytes = StoreObjectCodec.encode(object);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
    size += 4 + bytes.length;
    if (size < PORTION_BYTES) continue;
    yield { bytes: Buffer.concat(parts), count: parts.length / 2 };
    parts = [];
    size = 0;
  }
  if (parts.length > 0) yield { bytes: Buffer.concat(parts), count: parts.length / 2 };
}

function readPortion(body: Uint8Array, onObject: (object: StoreObject) => void): number {
  const view = Buffer.from(body.buffer, body.byteOffset, body.length);
  let count = 0;
  for (let at = 0; at < view.length; count++) {
    const end = at + 4 + view.readUInt32BE(at);
    onObject(StoreObjectCodec.decode(view.subarray(at + 4, end)));
    at = end;
  }
  return count;
}
