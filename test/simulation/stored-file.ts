import { integerBetween, type Random } from "../../src/base/random.js";
import { flipByte } from "./flipping.js";

/** Bytes that are written at a time: after a power cut each such piece may be new or old. */
const SECTOR_BYTES = 128;

type Change = { readonly bytes: Uint8Array; readonly position: number } | { readonly length: 0 };

/** A file: what a reader sees, and what is there for good. */
export class StoredFile {
  #seen: Uint8Array = new Uint8Array(0);
  #durable: Uint8Array = new Uint8Array(0);
  /** Seen, and not durable yet. */
  #changes: Change[] = [];

  get size(): number {
    return this.#seen.length;
  }

  read(length: number, position: number): Uint8Array {
    return this.#seen.slice(position, position + length);
  }

  /** What is written is the writer's again at once. */
  write(bytes: Uint8Array, position: number): void {
    // Not `slice`, which copies nothing of a Buffer.
    const change = { bytes: Buffer.from(bytes), position };
    this.#seen = changed(this.#seen, change);
    this.#changes.push(change);
  }

  /** A crash may bring back what it held. */
  empty(): void {
    this.#seen = new Uint8Array(0);
    this.#changes.push({ length: 0 });
  }

  /** What to call when a sync that begins now has ended. */
  syncing(): () => void {
    const last = this.#changes.at(-1);
    return () => {
      const count = last === undefined ? 0 : this.#changes.indexOf(last) + 1;
      for (const change of this.#changes.splice(0, count)) this.#durable = changed(this.#durable, change);
    };
  }

  /**
   * What to call when a sync that begins now has failed: what it was to write is there or not, in part too, and still seen, and no later sync
   * tries it again (as Linux does it: https://wiki.postgresql.org/wiki/Fsync_Errors).
   */
  failing(random: Random): () => void {
    const last = this.#changes.at(-1);
    return () => {
      const count = last === undefined ? 0 : this.#changes.indexOf(last) + 1;
      for (const change of this.#changes.splice(0, count)) this.#durable = torn(this.#durable, change, random);
    };
  }

  /** The machine is off: of each change that is not durable any sectors may be there. */
  lose(random: Random): void {
    for (const change of this.#changes.splice(0)) this.#durable = torn(this.#durable, change, random);
    this.#seen = this.#durable.slice();
  }

  /** Something happens to it at rest. */
  flip(random: Random): string {
    if (this.size === 0) return "nothing happened to an empty file";
    const at = flipByte(this.#durable, random);
    this.#seen = this.#durable.slice();
    return `byte ${at} is another`;
  }
}

function changed(content: Uint8Array, change: Change): Uint8Array {
  if ("length" in change) return new Uint8Array(change.length);
  const { bytes, position } = change;
  const end = position + bytes.length;
  const grown = end <= content.length ? content : new Uint8Array(end);
  if (grown !== content) grown.set(content);
  grown.set(bytes, position);
  return grown;
}

function torn(content: Uint8Array, change: Change, random: Random): Uint8Array {
  const chance = integerBetween(random, 0, 2) / 2;
  if ("length" in change) return random.next() < chance ? new Uint8Array(change.length) : content;
  const { bytes, position } = change;
  let result = content;
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    if (random.next() < chance) result = changed(result, { bytes: bytes.subarray(at, at + SECTOR_BYTES), position: position + at });
  }
  return result;
}
