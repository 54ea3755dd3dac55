import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCodeOf } from "../base/errors.js";
import { syncFolder } from "../base/durable-file.js";
import { readFully, writeFully } from "./durable-file.js";
import { encodeSlot, parseSlot, SLOT_BYTES, type TailSlot } from "./tail-slot.js";

/** The second witness of what was acknowledged: see TailFile. An interface so that a test can make it fail. */
export interface Tail extends AsyncDisposable {
  /** Resolves when the slot of the sequence number is on the disk. */
  write(sequence: number, body: Uint8Array): Promise<void>;
  slots(): Promise<readonly TailSlot[]>;
}

export type TailOpener = (path: string, options: { readonly create: boolean }) => Promise<Tail | null>;

/** A file of two slots of fixed size, written in turn, so that the one before survives a torn write. */
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
    await writeFully(this.#file, encodeSlot(sequence, body), (sequence % 2) * SLOT_BYTES);
  }

  async slots(): Promise<readonly TailSlot[]> {
    const bytes = await Promise.all([0, 1].map((slot) => readFully(this.#file, SLOT_BYTES, slot * SLOT_BYTES)));
    return bytes.map((slot) => (slot.length < SLOT_BYTES ? { type: "damaged" } : parseSlot(slot)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
