/** A record of the tail file as it was found: where it lies, and what is sealed in it. Whether it is whole only its seal tells. */
export interface TailRecord {
  readonly sequence: number;
  readonly sealed: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const MAGIC = Buffer.from("swtail02");
const LENGTH_AT = MAGIC.length;
const SEQUENCE_AT = LENGTH_AT + 4;
const HEADER_BYTES = SEQUENCE_AT + 8;

/** Bytes that both copies of a record take. */
export function tailRecordBytes(sealedBytes: number, blockBytes: number): number {
  return 2 * copyBytes(sealedBytes, blockBytes);
}

/**
 * Magic (8), length of what is sealed (4), sequence (8), what is sealed, zeros up to the end of the block; and all of it once more: a torn write leaves no copy whole or one, but damage at
 * one place never both.
 */
export function encodeTailRecord(sequence: number, sealed: Uint8Array, blockBytes: number): Uint8Array {
  const size = copyBytes(sealed.length, blockBytes);
  const record = Buffer.allocUnsafe(2 * size);
  MAGIC.copy(record);
  record.writeUInt32BE(sealed.length, LENGTH_AT);
  record.writeBigUInt64BE(BigInt(sequence), SEQUENCE_AT);
  record.set(sealed, HEADER_BYTES);
  record.fill(0, HEADER_BYTES + sealed.length, size);
  record.copyWithin(size, 0, size);
  return record;
}

/** Whatever begins like a record at the beginning of a block, copies one by one. */
export function* findTailRecords(bytes: Uint8Array, blockBytes: number): Generator<TailRecord, void, undefined> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 0; start + HEADER_BYTES <= file.length; start += blockBytes) {
    if (MAGIC.compare(file, start, start + MAGIC.length) !== 0) continue;
    const length = file.readUInt32BE(start + LENGTH_AT);
    const sequence = Number(file.readBigUInt64BE(start + SEQUENCE_AT));
    const end = start + copyBytes(length, blockBytes);
    if (end > file.length || !Number.isSafeInteger(sequence)) continue;
    yield { sequence, sealed: file.subarray(start + HEADER_BYTES, start + HEADER_BYTES + length), start, end };
  }
}

function copyBytes(sealedBytes: number, blockBytes: number): number {
  return Math.ceil((HEADER_BYTES + sealedBytes) / blockBytes) * blockBytes;
}
