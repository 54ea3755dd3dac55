import { ClusterError } from "../base/errors.js";

/** One key and value of a batch, as `level` gets it. */
export interface LogRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Body of a tail slot: the state record of a batch, and the batch itself when it was small enough to be kept. */
export interface TailBody {
  readonly state: Uint8Array;
  /** Null: the batch was in `level` before the slot was written. */
  readonly batch: readonly LogRecord[] | null;
}

const WITHOUT_BATCH = Uint8Array.of(0);
const WITH_BATCH = Uint8Array.of(1);

/** A sequence of byte strings, each behind its length (32 bits): the state, then keys and values in turn. */
export function encodeTailBody(body: TailBody): Uint8Array {
  const bytes = Buffer.allocUnsafe(tailBodyBytes(body));
  let end = putPart(bytes, 0, body.state);
  end = putPart(bytes, end, body.batch === null ? WITHOUT_BATCH : WITH_BATCH);
  for (const { key, value } of body.batch ?? []) end = putPart(bytes, putPart(bytes, end, Buffer.from(key)), value);
  return bytes;
}

/** Bytes of its encoding, without encoding it. */
export function tailBodyBytes(body: TailBody): number {
  return (body.batch ?? []).reduce((sum, { key, value }) => sum + 8 + Buffer.byteLength(key) + value.length, 4 + body.state.length + 5);
}

/** Throws ClusterError `invalid_argument` when the bytes are not a body. */
export function decodeTailBody(bytes: Uint8Array): TailBody {
  const parts = partsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  const [state, flag, ...records] = parts;
  if (state === undefined || flag === undefined) throw malformed();
  if (flag[0] === 0) return { state, batch: null };
  const batch: LogRecord[] = [];
  for (let at = 0; at < records.length; at += 2) {
    const [key, value] = records.slice(at, at + 2);
    if (key === undefined || value === undefined) throw malformed();
    batch.push({ key: key.toString("utf8"), value });
  }
  return { state, batch };
}

function partsOf(bytes: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw malformed();
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw malformed();
    parts.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

/** The part behind its length; returns where it ends. */
function putPart(bytes: Buffer, at: number, part: Uint8Array): number {
  bytes.set(part, bytes.writeUInt32BE(part.length, at));
  return at + 4 + part.length;
}

function malformed(): ClusterError {
  return new ClusterError("invalid_argument", "malformed body of a tail slot");
}
