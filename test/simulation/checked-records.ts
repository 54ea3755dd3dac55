import { ClusterError } from "../../src/base/errors.js";
import { crc32c } from "../../src/replica/crc32c.js";
import type { RecordCodec, RecordPlace } from "../../src/replica/record-codec.js";

const SUM_BYTES = 4;

/**
 * The equal of SealedRecords where nobody reads along: a record is bound to its place and shows damage, which a checksum sees to instead of AES-256-GCM. The same
 * bytes in every run, and faster.
 */
export const checkedRecords: RecordCodec = {
  overheadBytes: SUM_BYTES,
  seal: (place, plain) => {
    const record = Buffer.allocUnsafe(SUM_BYTES + plain.length);
    record.writeUInt32BE(sumOf(place, plain));
    record.set(plain, SUM_BYTES);
    return record;
  },
  open: (place, record) => {
    const plain = record.subarray(SUM_BYTES);
    const sum = Buffer.from(record.buffer, record.byteOffset, record.length).readUInt32BE();
    if (sum !== sumOf(place, plain)) throw new ClusterError("invalid_argument", "its seal is broken");
    return plain;
  },
  renewed: () => checkedRecords,
  isCurrent: () => true,
};

function sumOf({ kind, index }: RecordPlace, plain: Uint8Array): number {
  return (crc32c(plain) ^ Math.imul(index + 1, kind === "state" ? 0x9e3779b1 : 0x85ebca6b)) >>> 0;
}
