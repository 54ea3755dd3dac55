import type { Entry } from "../raft/message.js";
import { EntryCodec } from "../wire/generated/raft.js";
import type { LogRecord } from "./disk.js";
import { LINK_BYTES, linkOf, sameBytes } from "./entry-chain.js";
import { encodeLogState, type LogState } from "./log-state.js";
import type { LinkedEntry } from "./memory-log.js";
import { type RecordCodec, STATE_PLACE } from "./record-codec.js";
import { ClusterError } from "../base/errors.js";

/** Key of the LogState in `level`. */
export const STATE_KEY = "state";

/** Key of a log entry in `level`: in the order of the indexes. */
export function entryKey(index: number): string {
  return `entry/${String(index).padStart(16, "0")}`;
}

/** An entry as it is stored: its link, then its encoding. */
export interface StoredEntry extends LinkedEntry {
  readonly bytes: Uint8Array;
}

/** Chains an entry to the link of the one before. */
export function storedEntry(previous: Uint8Array, entry: Entry): StoredEntry {
  const encoded = EntryCodec.encode(entry);
  const link = linkOf(previous, encoded);
  return { entry, link, bytes: Buffer.concat([link, encoded]) };
}

/** The contrary of `bytes`. Throws ClusterError `invalid_argument` when they are none of this index, after the entry whose link is given; null: whatever was before. */
export function parseStoredEntry(bytes: Uint8Array, { index, previous }: { readonly index: number | null; readonly previous: Uint8Array | null }): StoredEntry {
  const link = bytes.subarray(0, LINK_BYTES);
  const encoded = bytes.subarray(LINK_BYTES);
  if (previous !== null && !sameBytes(linkOf(previous, encoded), link)) throw new ClusterError("invalid_argument", "its checksum does not match");
  const entry = EntryCodec.decode(encoded);
  if (index !== null && entry.index !== index) throw new ClusterError("invalid_argument", `it is entry ${entry.index}`);
  return { entry, link, bytes };
}

export function sealedEntry(codec: RecordCodec, { entry, bytes }: StoredEntry): LogRecord {
  return { key: entryKey(entry.index), value: codec.seal({ kind: "entry", index: entry.index, term: entry.term, part: 0 }, bytes) };
}

export function sealedState(codec: RecordCodec, state: LogState): LogRecord {
  return { key: STATE_KEY, value: codec.seal(STATE_PLACE, encodeLogState(state)) };
}
