import { readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { crc32c } from "./crc32c.js";

/** Type (1) and checksum (4) behind each block. */
const TRAILER_BYTES = 5;
const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
const CHECKSUM_MASK = 0xa282ead8;

interface Place {
  readonly offset: number;
  readonly size: number;
}

/**
 * Checks the tables (`*.ldb`) of a database that is not open, block by block, and renames each damaged one to `*.ldb.damaged`. LevelDB trusts its
 * tables: it ends the whole process on some kinds of damage. A table that the database needs it then reports as missing; one that a crash left
 * half written nobody misses. Resolves with what is wrong with each. The format is LevelDB's doc/table_format.md.
 */
export async function setDamagedTablesAside(folder: string): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const name of await namesIn(folder)) {
    if (!name.endsWith(".ldb")) continue;
    const path = join(folder, name);
    const what = damageOf(await readFile(path));
    if (what === null) continue;
    await rename(path, `${path}.damaged`);
    damaged.push(`${name}: ${what}`);
  }
  return damaged;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}

/** Null when every block of the table is whole. */
function damageOf(table: Buffer): string | null {
  try {
    verifyTable(table);
    return null;
  } catch (cause) {
    return messageOf(cause);
  }
}

function verifyTable(table: Buffer): void {
  if (table.length < FOOTER_BYTES) throw damage("it is cut short");
  const footer = table.subarray(table.length - FOOTER_BYTES);
  if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) throw damage("its footer is damaged");
  const reader = new Reader(footer);
  const [metaIndex, index] = [reader.place(), reader.place()];
  for (const place of [...placesIn(blockAt(table, metaIndex)), ...placesIn(blockAt(table, index))]) blockAt(table, place);
}

function blockAt(table: Buffer, { offset, size }: Place): Buffer {
  if (offset + size + TRAILER_BYTES > table.length - FOOTER_BYTES) throw damage("a block lies beyond its end");
  const stored = table.readUInt32LE(offset + size + 1);
  const crc = crc32c(table.subarray(offset, offset + size + 1));
  const masked = (((crc >>> 15) | (crc << 17)) + CHECKSUM_MASK) >>> 0;
  if (masked !== stored) throw damage(`the checksum of the block at byte ${offset} does not match`);
  return table.subarray(offset, offset + size);
}

/** What an index lists: entries of three lengths, a key and a place, then the numbers of its restarts. The database is opened without compression. */
function placesIn(index: Buffer): readonly Place[] {
  const end = index.length - 4 - 4 * (index.length < 4 ? 0 : index.readUInt32LE(index.length - 4));
  if (end < 0) throw damage("an index is damaged");
  const reader = new Reader(index.subarray(0, end));
  const places: Place[] = [];
  while (!reader.isAtEnd) {
    reader.number();
    const [keyBytes, valueBytes] = [reader.number(), reader.number()];
    places.push(new Reader(reader.bytes(keyBytes + valueBytes).subarray(keyBytes)).place());
  }
  return places;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Seven bits per byte, the lowest first. */
  number(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = this.bytes(1)[0] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw damage("a number is out of range");
  }

  bytes(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw damage("an index is cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  place(): Place {
    return { offset: this.number(), size: this.number() };
  }
}

function damage(what: string): ClusterError {
  return new ClusterError("failed_precondition", what);
}
