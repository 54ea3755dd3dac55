import { dirname } from "node:path";
import { assert } from "../base/assert.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { Disk, DiskFile } from "./disk.js";
import { nodeDisk } from "./node-disk.js";
import { encodeTailRecord, findTailRecords, type TailRecord, tailRecordBytes } from "./tail-record.js";

/** The newest writes, in a place that takes them fast: see TailFile. An interface so that a test can make it fail. */
export interface Tail extends AsyncDisposable {
  /** What a record may hold. */
  readonly sealedBytesMax: number;
  /** False when a record of that many bytes would take the place of one that is needed. */
  hasRoomFor(sealedBytes: number): boolean;
  /** Resolves when the record is on the disk. There is room for it. */
  write(sequence: number, sealed: Uint8Array): Promise<void>;
  /** Records up to this sequence number are not needed any more, but for the newest. */
  release(sequence: number): void;
  /** All that begins like a record, in no order. Rejects with ClusterError `invalid_argument` when the file is not as long as it was made. */
  records(): Promise<readonly TailRecord[]>;
  /** The one that is the newest: it is kept until another is there. */
  resumeAfter(record: TailRecord): void;
}

export type TailOpener = (path: string, options: { readonly create: boolean }) => Promise<Tail | null>;

/** Sizes of a tail file: of one file always the same. */
export interface TailSizes {
  /** All of it. At least three times what a record takes, with both its copies. */
  readonly bytes: number;
  /** A record begins where a block does. */
  readonly blockBytes: number;
  readonly sealedBytesMax: number;
}

const SIZES: TailSizes = { bytes: 4 * 1024 * 1024, blockBytes: 4096, sealedBytesMax: 256 * 1024 };

interface TailFileOptions {
  readonly create: boolean;
  readonly disk?: Disk;
  readonly sizes?: TailSizes;
}

interface Place {
  readonly sequence: number;
  readonly start: number;
  readonly end: number;
}

/** A file of a fixed length, written round and round, a record after the other. What it overwrites is what nobody needs. */
export class TailFile implements Tail {
  readonly #file: DiskFile;
  readonly #sizes: TailSizes;
  /** Where the records are that must stay, the oldest first. */
  #kept: Place[] = [];

  private constructor(file: DiskFile, sizes: TailSizes) {
    this.#file = file;
    this.#sizes = sizes;
  }

  /** Null when there is no such file and none is to be created. */
  static async open(path: string, options: TailFileOptions): Promise<TailFile | null> {
    const { disk = nodeDisk, sizes = SIZES } = options;
    assert(3 * tailRecordBytes(sizes.sealedBytesMax, sizes.blockBytes) <= sizes.bytes, "a tail file has room for three records of any size");
    try {
      // The file never grows: a write that was written through is durable.
      return new TailFile(await disk.open(path, "write_through"), sizes);
    } catch (cause) {
      if (systemCodeOf(cause) !== "ENOENT") throw cause;
    }
    if (!options.create) return null;
    // It has its name when it is whole: a crash meanwhile leaves none, and not one that vouches for nothing.
    const aside = `${path}.part`;
    {
      await using blank = await disk.open(aside, "replace");
      await blank.write(new Uint8Array(sizes.bytes), 0);
      await blank.sync();
    }
    await disk.rename(aside, path);
    await disk.syncFolder(dirname(path));
    return TailFile.open(path, { ...options, create: false });
  }

  get sealedBytesMax(): number {
    return this.#sizes.sealedBytesMax;
  }

  hasRoomFor(sealedBytes: number): boolean {
    const { start, end } = this.#placeFor(sealedBytes);
    return this.#kept.every((kept) => end <= kept.start || kept.end <= start);
  }

  async write(sequence: number, sealed: Uint8Array): Promise<void> {
    assert(sealed.length <= this.#sizes.sealedBytesMax && this.hasRoomFor(sealed.length), "a record of the tail file fits");
    const place = { sequence, ...this.#placeFor(sealed.length) };
    await this.#file.write(encodeTailRecord(sequence, sealed, this.#sizes.blockBytes), place.start);
    this.#kept.push(place);
  }

  release(sequence: number): void {
    this.#kept = this.#kept.filter((place, at) => place.sequence > sequence || at === this.#kept.length - 1);
  }

  async records(): Promise<readonly TailRecord[]> {
    const { bytes, blockBytes } = this.#sizes;
    const size = await this.#file.size();
    if (size !== bytes) throw new ClusterError("invalid_argument", `the tail file has ${size} bytes, and was made with ${bytes}`);
    return [...findTailRecords(await this.#file.read(bytes, 0), blockBytes)];
  }

  resumeAfter({ sequence, start, end }: TailRecord): void {
    this.#kept = [{ sequence, start, end }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  /** Behind the newest record, or at the beginning when it does not fit there. */
  #placeFor(sealedBytes: number): { readonly start: number; readonly end: number } {
    const { bytes, blockBytes } = this.#sizes;
    const size = tailRecordBytes(sealedBytes, blockBytes);
    const behind = this.#kept.at(-1)?.end ?? 0;
    const start = behind + size <= bytes ? behind : 0;
    return { start, end: start + size };
  }
}
