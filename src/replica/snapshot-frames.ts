import { createHash } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import type { SnapshotMeta } from "../raft/message.js";
import type { SnapshotProgress } from "../wire/generated/raft.js";
import { ByteStream } from "./byte-stream.js";
import type { DiskFile } from "./disk.js";
import { sameBytes } from "./entry-chain.js";
import type { RecordCodec, RecordPlace } from "./record-codec.js";

const DIGEST_BYTES = 16;
/** Of a frame, before what it holds. */
export const FRAME_HEADER_BYTES = 4 + DIGEST_BYTES;
/** A frame is written with at most 128 KiB and one object; more than this is damage. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** More than any codec's header is. */
const SEALED_BEGIN_BYTES = 64;

/** How much of a snapshot has arrived: so many whole frames, and the checksum that chains what they hold. */
export type { SnapshotProgress };

export const NOTHING_RECEIVED: SnapshotProgress = { frames: 0, digest: new Uint8Array(DIGEST_BYTES) };

/** After one more frame, which holds these plain bytes. */
export function nextProgress({ frames, digest }: SnapshotProgress, plain: Uint8Array): SnapshotProgress {
  return { frames: frames + 1, digest: digestOf(digest, plain) };
}

export function isSameProgress(a: SnapshotProgress, b: SnapshotProgress): boolean {
  return a.frames === b.frames && sameBytes(a.digest, b.digest);
}

/** Where a snapshot stands in the log. */
export type SnapshotPlace = Pick<SnapshotMeta, "index" | "term">;

/**
 * Makes frames of byte strings, in order. Frame: length (4), checksum chained to that of the frame before (16), sealed bytes. A reader so
 * notices a missing, damaged or moved frame; the end must be marked by the content.
 */
export class FrameWriter {
  readonly #codec: RecordCodec;
  readonly #place: SnapshotPlace;
  #digest: Uint8Array;
  #part: number;

  /** `after` is what the frames follow. */
  constructor(codec: RecordCodec, place: SnapshotPlace, after = NOTHING_RECEIVED) {
    this.#codec = codec.renewed();
    this.#place = place;
    this.#digest = after.digest;
    this.#part = after.frames;
  }

  frame(bytes: Uint8Array): Uint8Array {
    const sealed = this.#codec.seal(placeOf(this.#place, this.#part++), bytes);
    this.#digest = digestOf(this.#digest, sealed);
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + sealed.length);
    frame.writeUInt32BE(sealed.length);
    frame.set(this.#digest, 4);
    frame.set(sealed, FRAME_HEADER_BYTES);
    return frame;
  }
}

/**
 * Reads what frames hold until the bytes end; `after` is what they follow. Throws ClusterError `invalid_argument` with the place of the first damaged one.
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
  codec: RecordCodec,
  place: SnapshotPlace,
  after = NOTHING_RECEIVED,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = new ByteStream(chunks);
  let { digest } = after;
  for (let part = after.frames, position = 0; ; part++) {
    const header = await stream.take(FRAME_HEADER_BYTES);
    if (header.length === 0) return;
    const length = lengthIn(header);
    if (length === null) throw damagedFrame(position);
    const sealed = await stream.take(length);
    digest = digestOf(digest, sealed);
    if (sealed.length < length || !sameBytes(digest, header.subarray(4))) throw damagedFrame(position);
    yield codec.open(placeOf(place, part), sealed);
    position += FRAME_HEADER_BYTES + length;
  }
}

/** How many frames a file has; only their lengths are read. */
export async function countFrames(file: DiskFile): Promise<number> {
  let position = 0;
  for (let count = 0; ; count++) {
    const header = await file.read(FRAME_HEADER_BYTES, position);
    if (header.length === 0) return count;
    const length = lengthIn(header);
    if (length === null) throw damagedFrame(position);
    position += FRAME_HEADER_BYTES + length;
  }
}

/** The beginning of what the first frame holds, as it is sealed: enough to tell with which key. */
export async function firstSealed(file: DiskFile): Promise<Uint8Array> {
  return await file.read(SEALED_BEGIN_BYTES, FRAME_HEADER_BYTES);
}

function lengthIn(header: Uint8Array): number | null {
  if (header.length < FRAME_HEADER_BYTES) return null;
  const length = Buffer.from(header.buffer, header.byteOffset, 4).readUInt32BE();
  return length > FRAME_BYTES_MAX ? null : length;
}

function placeOf({ index, term }: SnapshotPlace, part: number): RecordPlace {
  return { kind: "snapshot", index, term, part };
}

function digestOf(previous: Uint8Array, sealed: Uint8Array): Uint8Array {
  return createHash("sha256").update(previous).update(sealed).digest().subarray(0, DIGEST_BYTES);
}

function damagedFrame(position: number): ClusterError {
  return new ClusterError("invalid_argument", `the frame at byte ${position} is damaged or cut short`);
}
