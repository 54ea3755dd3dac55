import { createHash } from "node:crypto";

/** Bytes of a link: SHA-256, shortened. Guards against damage and loss, not against an attacker. */
export const LINK_BYTES = 16;

/** The checksum of an entry, chained to that of the entry before: one link vouches for the whole log up to it. */
export function linkOf(previous: Uint8Array, record: Uint8Array): Uint8Array {
  return createHash("sha256").update(previous).update(record).digest().subarray(0, LINK_BYTES);
}

/** The link that a log starts from when its state came as a snapshot. */
export function linkOfSnapshot(index: number, term: number): Uint8Array {
  return linkOf(new Uint8Array(LINK_BYTES), Buffer.from(`snapshot ${index} ${term}`));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
