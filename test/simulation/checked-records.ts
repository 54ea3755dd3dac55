import { ClusterError } from "../../src/base/errors.js";
import type { RecordCodec, RecordPlace } from "../../src/replica/record-codec.js";

/** Places within a record: number of the data key, salt, checksum; the rest is the content. */
const SALT_AT = 4;
const SUM_AT = 8;
const HEADER_BYTES = 12;

/** One of each for all: nobody asks where they come from, and many records of a tail file are torn. */
const CUT_SHORT = new ClusterError("invalid_argument", "it is cut short");
const BROKEN = new ClusterError("invalid_argument", "its seal is broken");

/**
 * The equal of SealedRecords where nobody reads along: a record is bound to its place and shows damage, which a checksum sees to instead of AES-256-GCM. As there, what
 * one start of a member seals has nothing in common with what another start does, so that no part of a write completes another one that was torn: `salt` is of the
 * start; and what was sealed with another data key than those that are given cannot be opened.
 */
export class CheckedRecords implements RecordCodec {
  readonly overheadBytes = HEADER_BYTES;
  readonly #salt: number;
  /** The one that seals first, then those that are only read with. */
  #keys: readonly number[];

  constructor(keys: readonly number[], salt: number) {
    this.#keys = keys;
    this.#salt = salt;
  }

  seal(place: RecordPlace, plain: Uint8Array): Uint8Array {
    const record = Buffer.allocUnsafe(HEADER_BYTES + plain.length);
    record.writeUInt32BE(this.#keys[0] ?? 0);
    record.writeUInt32BE(this.#salt, SALT_AT);
    record.writeUInt32BE(sumOf(place, plain), SUM_AT);
    mixInto(record, HEADER_BYTES, plain, 0, this.#salt);
    return record;
  }

  open(place: RecordPlace, record: Uint8Array): Uint8Array {
    if (record.length < HEADER_BYTES) throw CUT_SHORT;
    const plain = Buffer.allocUnsafe(record.length - HEADER_BYTES);
    mixInto(plain, 0, record, HEADER_BYTES, wordAt(record, SALT_AT));
    const sum = wordAt(record, SUM_AT);
    if (sum !== sumOf(place, plain)) throw BROKEN;
    const key = wordAt(record, 0);
    if (!this.#keys.includes(key)) throw new ClusterError("unauthenticated", `it is sealed with data key ${key}`);
    return plain;
  }

  renewed(): RecordCodec {
    return this;
  }

  isCurrent(record: Uint8Array): boolean {
    return wordAt(record, 0) === this.#keys[0];
  }

  /** What these seal and open from now on. */
  rotate(keys: readonly number[]): void {
    this.#keys = keys;
  }
}

/** Twice is not at all. Four bytes at a time, as they come: this runs for each byte that a member writes or reads. */
function mixInto(target: Buffer, start: number, bytes: Uint8Array, from: number, salt: number): void {
  let key = salt;
  let to = start;
  for (let at = from; at < bytes.length; at += 4, to += 4) {
    key = (Math.imul(key, 1_664_525) + 1_013_904_223) | 0;
    const word = wordAt(bytes, at) ^ key ^ (key >>> 16);
    // What is beyond the end of the target is not written.
    target[to] = word >>> 24;
    target[to + 1] = word >>> 16;
    target[to + 2] = word >>> 8;
    target[to + 3] = word;
  }
}

/** Of two contents that differ in one word only, never the same: each step is a bijection. */
function sumOf({ kind, index }: RecordPlace, plain: Uint8Array): number {
  let sum = mixed(mixed(kind === "state" ? 0x9e3779b1 : 0x85ebca6b, index), plain.length);
  for (let at = 0; at < plain.length; at += 4) sum = mixed(sum, wordAt(plain, at));
  return sum >>> 0;
}

function mixed(sum: number, word: number): number {
  const product = Math.imul(sum ^ word, 0x01000193);
  return product ^ (product >>> 15);
}

/** Big-endian, unsigned; zeros follow the last byte. */
function wordAt(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8)) >>> 0;
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
