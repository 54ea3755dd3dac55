import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { syncFolder } from "../base/durable-file.js";
import { openDirectFile } from "./direct-file.js";
import type { Disk, DiskFile, FileUse } from "./disk.js";
import { openLevelDatabase } from "./level-database.js";
import { writeAll } from "./write-all.js";

const FLAGS: Readonly<Record<FileUse, string | number>> = {
  read: "r",
  replace: "w",
  extend: "r+",
  write_through: constants.O_RDWR | constants.O_DSYNC,
};

/** The disk of this machine. */
export const nodeDisk: Disk = {
  open: async (path, use) => {
    const file = new NodeFile(await open(path, FLAGS[use], 0o600));
    return use === "write_through" ? await openDirectFile(path, file) : file;
  },
  openDatabase: openLevelDatabase,
  makeFolder: async (path) => (await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined,
  namesIn: (path) => readdir(path),
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder,
};

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

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await writeAll(this.#file.fd, bytes, position);
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
