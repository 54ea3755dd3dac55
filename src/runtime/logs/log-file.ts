import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { systemCodeOf } from "../../base/errors.js";

/** The header of what swarm-compress writes is far shorter. */
const HEADER_BYTES = 256;
const PART_BYTES = 65_536;
const HAS_COMMENT = 0x10;
const COMMENT_AT = 10;

/** One file of a log, which stays open whatever is renamed meanwhile. The caller closes it. */
export class LogFile {
  /** The same before and after it was compressed. */
  readonly identity: string;
  readonly #source: FileHandle;
  readonly #path: string;
  readonly #isCompressed: boolean;
  #content: FileHandle | null = null;

  private constructor(options: { readonly identity: string; readonly source: FileHandle; readonly path: string; readonly isCompressed: boolean }) {
    this.identity = options.identity;
    this.#source = options.source;
    this.#path = options.path;
    this.#isCompressed = options.isCompressed;
  }

  /** PATH, or PATH.gz as swarm-compress made it; null when neither is there. */
  static async open(path: string): Promise<LogFile | null> {
    const plain = await openIfThere(path);
    if (plain !== null) return new LogFile({ identity: await identityOf(plain), source: plain, path, isCompressed: false });
    const compressed = await openIfThere(`${path}.gz`);
    if (compressed === null) return null;
    return new LogFile({ identity: await originalIdentityOf(compressed), source: compressed, path, isCompressed: true });
  }

  /** Of what is at PATH now, uncompressed; empty when nothing is. */
  static async identityAt(path: string): Promise<string> {
    try {
      return nameOf(await stat(path, { bigint: true }));
    } catch (cause) {
      if (systemCodeOf(cause) === "ENOENT") return "";
      throw cause;
    }
  }

  /** What it holds, uncompressed. */
  async content(): Promise<FileHandle> {
    if (!this.#isCompressed) return this.#source;
    this.#content ??= await this.#unpack();
    return this.#content;
  }

  /** True when no name leads to it any more. */
  async isGone(): Promise<boolean> {
    return (await this.#source.stat()).nlink === 0;
  }

  async close(): Promise<void> {
    await this.#source.close();
    await this.#content?.close();
  }

  /** Into a file without a name, which is gone when it is closed. */
  async #unpack(): Promise<FileHandle> {
    const name = `${this.#path}.${randomBytes(6).toString("hex")}.read`;
    const target = await open(name, "wx+", 0o600);
    try {
      await unlink(name);
      await pipeline(partsOf(this.#source), createGunzip(), async (parts: AsyncIterable<Buffer>) => {
        for await (const part of parts) await target.write(part);
      });
      return target;
    } catch (cause) {
      await target.close();
      throw cause;
    }
  }
}

/** From its beginning; it stays open. */
async function* partsOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(PART_BYTES), 0, PART_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw cause;
  }
}

async function identityOf(file: FileHandle): Promise<string> {
  return nameOf(await file.stat({ bigint: true }));
}

/** An inode's number is given to a new file as soon as one is gone: only with its birth it is this one's. */
function nameOf({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}.${birthtimeNs}`;
}

/** Inode and birth that it had are the comment in its header (RFC 1952, section 2.3). */
async function originalIdentityOf(file: FileHandle): Promise<string> {
  const header = Buffer.alloc(HEADER_BYTES);
  const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0);
  const end = header.indexOf(0, COMMENT_AT);
  if (bytesRead <= COMMENT_AT || ((header[3] ?? 0) & HAS_COMMENT) === 0 || end < 0) return `compressed ${await identityOf(file)}`;
  return `${(await file.stat({ bigint: true })).dev}:${header.toString("latin1", COMMENT_AT, end)}`;
}
