import { createHash } from "node:crypto";

/** Largest body of a slot, where nothing else is wanted. A batch that fits is kept whole, and so can be written beside `level` at the same time. */
export const TAIL_BODY_BYTES_MAX = 256 * 1024;

const HEADER_BYTES = 64;
const DIGEST_BYTES = 32;
const MAGIC = Buffer.from("swtail01");

/** Bytes that a slot takes on the disk. */
export function slotBytesOf(bodyBytesMax: number): number {
  return HEADER_BYTES + bodyBytesMax;
}

/** What one of the two slots of a tail file holds. */
export type TailSlot =
  | { readonly type: "blank" }
  | { readonly type: "damaged" }
  | { readonly type: "written"; readonly sequence: number; readonly body: Uint8Array };

/** Magic (8), length of the body (4), sequence (8), SHA-256 of sequence and body (32), body. */
export function encodeSlot(sequence: number, body: Uint8Array): Uint8Array {
  const slot = Buffer.allocUnsafe(HEADER_BYTES + body.length).fill(0, 0, HEADER_BYTES);
  MAGIC.copy(slot, 0);
  slot.writeUInt32BE(body.length, 8);
  slot.writeBigUInt64BE(BigInt(sequence), 12);
  slot.set(digestOf(slot.subarray(12, 20), body), 20);
  slot.set(body, HEADER_BYTES);
  return slot;
}

/** Bytes after the body mean nothing. */
export function parseSlot(bytes: Uint8Array): TailSlot {
  const slot = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = slot.subarray(0, HEADER_BYTES);
  if (header.length < HEADER_BYTES) return { type: "damaged" };
  if (header.every((byte) => byte === 0)) return { type: "blank" };
  const end = HEADER_BYTES + slot.readUInt32BE(8);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC) || end > slot.length) return { type: "damaged" };
  const body = slot.subarray(HEADER_BYTES, end);
  if (!header.subarray(20, 20 + DIGEST_BYTES).equals(digestOf(header.subarray(12, 20), body))) return { type: "damaged" };
  return { type: "written", sequence: Number(header.readBigUInt64BE(12)), body };
}

function digestOf(sequence: Uint8Array, body: Uint8Array): Buffer {
  return createHash("sha256").update(sequence).update(body).digest();
}
