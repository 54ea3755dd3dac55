import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { assert } from "../base/assert.js";
import { systemCodeOf } from "../base/errors.js";
import { syncFolder } from "../base/durable-file.js";
import { readFully, writeFully } from "./durable-file.js";

/** Largest body of a slot. A batch that fits is kept whole, and so can be written beside `level` at the same time. */
export const TAIL_BODY_BYTES_MAX = 256 * 1024;

const HEADER_BYTES = 64;
const SLOT_BYTES = HEADER_BYTES + TAIL_BODY_BYTES_MAX;
const DIGEST_BYTES = 32;
const MAGIC = Buffer.from("swtail01");

/** What one of the two slots holds. */
export type TailSlot =
  | { readonly type: "blank" }
  | { readonly type: "damaged" }
  | { readonly type: "written"; readonly sequence: number; readonly body: Uint8Array };

/** The second witness of what was acknowledged: see TailFile. An interface so that a test can make it fail. */
export interface Tail extends AsyncDisposable {
  /** Resolves when the slot of the sequence number is on the disk. */
  write(sequence: number, body: Uint8Array): Promise<void>;
  slots(): Promise<readonly TailSlot[]>;
}

export type TailOpener = (path: string, options: { readonly create: boolean }) => Promise<Tail | null>;

/**
 * A file of two slots of fixed size, written in turn, so that the one before survives a torn write. Slot: magic (8), length of
 * the body (4), sequence (8), SHA-256 of sequence and body (32), body.
 */
export class TailFile implements Tail {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Null when there is no such file and none is to be created. */
  static async open(path: string, options: { readonly create: boolean }): Promise<TailFile | null> {
    try {
      // O_DSYNC: a write returns when its bytes are durable; the file never grows, so nothing else is needed.
      return new TailFile(await open(path, constants.O_RDWR | constants.O_DSYNC));
    } catch (cause) {
      if (systemCodeOf(cause) !== "ENOENT") throw cause;
    }
    if (!options.create) return null;
    await using blank = await open(path, "wx", 0o600);
    await writeFully(blank, new Uint8Array(2 * SLOT_BYTES), 0);
    await blank.sync();
    await syncFolder(dirname(path));
    return TailFile.open(path, { create: false });
  }

  async write(sequence: number, body: Uint8Array): Promise<void> {
    assert(body.length <= TAIL_BODY_BYTES_MAX, "the body of a tail slot fits");
    const slot = Buffer.alloc(HEADER_BYTES + body.length);
    MAGIC.copy(slot, 0);
    slot.writeUInt32BE(body.length, 8);
    slot.writeBigUInt64BE(BigInt(sequence), 12);
    slot.set(digestOf(slot.subarray(12, 20), body), 20);
    slot.set(body, HEADER_BYTES);
    await writeFully(this.#file, slot, (sequence % 2) * SLOT_BYTES);
  }

  async slots(): Promise<readonly TailSlot[]> {
    const bytes = await Promise.all([0, 1].map((slot) => readFully(this.#file, SLOT_BYTES, slot * SLOT_BYTES)));
    return bytes.map((slot) => parseSlot(Buffer.from(slot.buffer, slot.byteOffset, slot.length)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function parseSlot(slot: Buffer): TailSlot {
  if (slot.length < SLOT_BYTES) return { type: "damaged" };
  if (slot.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) return { type: "blank" };
  const length = slot.readUInt32BE(8);
  if (!slot.subarray(0, MAGIC.length).equals(MAGIC) || length > TAIL_BODY_BYTES_MAX) return { type: "damaged" };
  const body = slot.subarray(HEADER_BYTES, HEADER_BYTES + length);
  if (!slot.subarray(20, 20 + DIGEST_BYTES).equals(digestOf(slot.subarray(12, 20), body))) return { type: "damaged" };
  return { type: "written", sequence: Number(slot.readBigUInt64BE(12)), body };
}

function digestOf(sequence: Uint8Array, body: Uint8Array): Buffer {
  return createHash("sha256").update(sequence).update(body).digest();
}
