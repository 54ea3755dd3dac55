import { constants, write } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { syncFolder } from "../base/durable-file.js";
import type { Disk, DiskFile, FileUse } from "./disk.js";
import { openLevelDatabase } from "./level-database.js";

const FLAGS: Readonly<Record<FileUse, string | number>> = {
  read: "r",
  replace: "w",
  extend: "r+",
  write_through: constants.O_RDWR | constants.O_DSYNC,
};

/** The disk of this machine. */
export const nodeDisk: Disk = {
  open: async (path, use) => new NodeFile(await open(path, FLAGS[use], 0o600)),
  openDatabase: openLevelDatabase,
  makeFolder: async (path) => (await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined,
  namesIn: (path) => readdir(path),
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder,
};

/** Costs a tenth less processor time than FileHandle.write, which counts its uses. */
const writeAt = promisify(write);

class NodeFile implements DiskFile {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(length: number, position: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  /** A short write is continued. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await writeAt(this.#file.fd, bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}
