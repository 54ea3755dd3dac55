import { ClusterError } from "../base/errors.js";
import { parseStoredEntry, type StoredEntry } from "./log-records.js";
import { decodeLogState, encodeLogState, type LogState } from "./log-state.js";

/** What a record of the tail file says: the state after a write, and the entries that the write brought. */
export interface TailBody {
  readonly state: LogState;
  /** Null: all of the log was in `level` before this was written. */
  readonly entries: readonly StoredEntry[] | null;
}

const WITHOUT_ENTRIES = Uint8Array.of(0);
const WITH_ENTRIES = Uint8Array.of(1);

/** A sequence of byte strings, each behind its length (32 bits): the state, whether there are entries, the entries. */
export function encodeTailBody({ state, entries }: TailBody): Uint8Array {
  const parts = [encodeLogState(state), entries === null ? WITHOUT_ENTRIES : WITH_ENTRIES, ...(entries ?? []).map(({ bytes }) => bytes)];
  const body = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  let end = 0;
  for (const part of parts) {
    end = body.writeUInt32BE(part.length, end);
    body.set(part, end);
    end += part.length;
  }
  return body;
}

/** Throws ClusterError `invalid_argument` when the bytes are not a body. */
export function decodeTailBody(bytes: Uint8Array): TailBody {
  const [state, flag, ...entries] = partsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (state === undefined || flag === undefined) throw malformed();
  return { state: decodeLogState(state), entries: flag[0] === 0 ? null : entries.map((entry) => parseStoredEntry(entry, { index: null, previous: null })) };
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

function malformed(): ClusterError {
  return new ClusterError("invalid_argument", "malformed record of the tail file");
}
