import { dirname } from "node:path";
import { assert } from "../base/assert.js";
import { systemCodeOf } from "../base/errors.js";
import type { Disk, DiskFile } from "./disk.js";
import { nodeDisk } from "./node-disk.js";
import { encodeSlot, parseSlot, slotBytesOf, TAIL_BODY_BYTES_MAX, type TailSlot } from "./tail-slot.js";

/** The second witness of what was acknowledged: see TailFile. An interface so that a test can make it fail. */
export interface Tail extends AsyncDisposable {
  /** What a slot has room for. */
  readonly bodyBytesMax: number;
  /** Resolves when the slot of the sequence number is on the disk. */
  write(sequence: number, body: Uint8Array): Promise<void>;
  slots(): Promise<readonly TailSlot[]>;
}

export type TailOpener = (path: string, options: { readonly create: boolean }) => Promise<Tail | null>;

interface TailFileOptions {
  readonly create: boolean;
  readonly disk?: Disk;
  /** Of one file always the same. */
  readonly bodyBytesMax?: number;
}

/** A file of two slots of fixed size, written in turn, so that the one before survives a torn write. */
export class TailFile implements Tail {
  readonly #file: DiskFile;
  readonly bodyBytesMax: number;

  private constructor(file: DiskFile, bodyBytesMax: number) {
    this.#file = file;
    this.bodyBytesMax = bodyBytesMax;
  }

  /** Null when there is no such file and none is to be created. */
  static async open(path: string, options: TailFileOptions): Promise<TailFile | null> {
    const { disk = nodeDisk, bodyBytesMax = TAIL_BODY_BYTES_MAX } = options;
    try {
      // The file never grows: a write that was written through is durable.
      return new TailFile(await disk.open(path, "write_through"), bodyBytesMax);
    } catch (cause) {
      if (systemCodeOf(cause) !== "ENOENT") throw cause;
    }
    if (!options.create) return null;
    // It has its name when it is whole: a crash meanwhile leaves none, and not one that vouches for nothing.
    const aside = `${path}.part`;
    {
      await using blank = await disk.open(aside, "replace");
      await blank.write(new Uint8Array(2 * slotBytesOf(bodyBytesMax)), 0);
      await blank.sync();
    }
    await disk.rename(aside, path);
    await disk.syncFolder(dirname(path));
    return TailFile.open(path, { ...options, create: false });
  }

  write(sequence: number, body: Uint8Array): Promise<void> {
    assert(body.length <= this.bodyBytesMax, "the body of a tail slot fits");
    return this.#file.write(encodeSlot(sequence, body), (sequence % 2) * slotBytesOf(this.bodyBytesMax));
  }

  async slots(): Promise<readonly TailSlot[]> {
    const slotBytes = slotBytesOf(this.bodyBytesMax);
    const bytes = await Promise.all([0, 1].map((slot) => this.#file.read(slotBytes, slot * slotBytes)));
    return bytes.map((slot) => (slot.length < slotBytes ? { type: "damaged" } : parseSlot(slot)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}
