import { ClusterError } from "../../src/base/errors.js";
import { crc32c } from "../../src/replica/crc32c.js";
import type { RecordCodec, RecordPlace } from "../../src/replica/record-codec.js";

const SALT_BYTES = 4;
const SUM_BYTES = 4;

/**
 * The equal of SealedRecords where nobody reads along: a record is bound to its place and shows damage, which a checksum sees to instead of AES-256-GCM. As there, what
 * one start of a member seals has nothing in common with what another start does, so that no part of a write completes another one that was torn: `salt` is of the start.
 */
export function checkedRecords(salt: number): RecordCodec {
  const codec: RecordCodec = {
    overheadBytes: SALT_BYTES + SUM_BYTES,
    seal: (place, plain) => {
      const record = Buffer.allocUnsafe(SALT_BYTES + SUM_BYTES + plain.length);
      record.writeUInt32BE(salt);
      record.writeUInt32BE(sumOf(place, plain), SALT_BYTES);
      record.set(mixed(plain, salt), SALT_BYTES + SUM_BYTES);
      return record;
    },
    open: (place, record) => {
      const view = Buffer.from(record.buffer, record.byteOffset, record.length);
      if (view.length < SALT_BYTES + SUM_BYTES) throw new ClusterError("invalid_argument", "it is cut short");
      const plain = mixed(view.subarray(SALT_BYTES + SUM_BYTES), view.readUInt32BE());
      const sum = view.readUInt32BE(SALT_BYTES);
      if (sum !== sumOf(place, plain)) throw new ClusterError("invalid_argument", "its seal is broken");
      return plain;
    },
    renewed: () => codec,
    isCurrent: () => true,
  };
  return codec;
}

/** Twice is not at all. */
function mixed(bytes: Uint8Array, salt: number): Uint8Array {
  const result = Buffer.allocUnsafe(bytes.length);
  let key = salt;
  for (let at = 0; at < bytes.length; at++) {
    key = (Math.imul(key, 1_664_525) + 1_013_904_223) | 0;
    result[at] = (bytes[at] ?? 0) ^ (key >>> 24);
  }
  return result;
}

function sumOf({ kind, index }: RecordPlace, plain: Uint8Array): number {
  return (crc32c(plain) ^ Math.imul(index + 1, kind === "state" ? 0x9e3779b1 : 0x85ebca6b)) >>> 0;
}
