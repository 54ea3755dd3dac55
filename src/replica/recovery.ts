import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { EntryCodec } from "../wire/generated/raft.js";
import { LINK_BYTES, linkOf, sameBytes } from "./entry-chain.js";
import { entryKey, STATE_KEY } from "./log-keys.js";
import { decodeLogState, type LogState } from "./log-state.js";
import type { LinkedEntry } from "./memory-log.js";
import { type RecordCodec, STATE_PLACE } from "./record-codec.js";
import { decodeTailBody, type LogRecord } from "./tail-body.js";
import type { Tail } from "./tail-file.js";

/** The little that recovery needs of `level`. */
export interface LogRecords {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Writes all or nothing, synchronously. */
  write(records: readonly LogRecord[]): Promise<void>;
  range(options: { readonly gte: string; readonly lte: string }): AsyncIterable<readonly [string, Uint8Array]>;
}

export interface RecoveredLog {
  readonly state: LogState;
  readonly entries: readonly LinkedEntry[];
}

/** What the tail file vouches for: the newest of its slots that can be read. */
export interface Witness {
  readonly sequence: number;
  readonly state: LogState | null;
  readonly batch: readonly LogRecord[] | null;
}

/**
 * Reads a log back after a stop of any kind and proves that nothing acknowledged is missing; null when there is none yet.
 *
 * A write goes to the tail file and to `level`, either of which may be one batch ahead after a crash. When the tail is, the batch
 * that it keeps is written again; when it keeps none, `level` had it before and has lost it since. Throws ClusterError
 * `failed_precondition` with the details `directory`, `key` and `index` when the log does not reach what the tail vouches for, or is
 * damaged.
 */
export async function recoverLog(options: {
  readonly directory: string;
  readonly records: LogRecords;
  readonly tail: Tail | null;
  readonly codec: RecordCodec;
}): Promise<RecoveredLog | null> {
  const { directory, records, tail, codec } = options;
  const fail: Fail = (key, index, what, cause) => damagedLog({ directory, key, index, what, cause });
  let state = await readState(records, codec, fail);
  if (tail === null) {
    if (state === null) return null;
    throw fail("tail", state.last.index, "the tail file is missing");
  }
  const witness = await readWitness(tail, { directory, codec });
  if (state === null && witness.state === null) return null;
  if (witness.batch !== null && (state?.sequence ?? 0) === witness.sequence - 1) {
    await records.write(witness.batch);
    state = await readState(records, codec, fail);
  }
  return await verify(state, witness, { records, codec, fail });
}

type Fail = (key: string, index: number, what: string, cause?: unknown) => ClusterError;

async function verify(
  state: LogState | null,
  witness: Witness,
  { records, codec, fail }: { readonly records: LogRecords; readonly codec: RecordCodec; readonly fail: Fail },
): Promise<RecoveredLog> {
  const index = witness.state?.last.index ?? 0;
  if (state === null) throw fail(STATE_KEY, index, "it is missing");
  if (state.sequence < witness.sequence) throw fail(STATE_KEY, index, `it is of write ${state.sequence}, but write ${witness.sequence} was acknowledged`);
  if (state.sequence > witness.sequence + 1)
    throw fail("tail", state.last.index, `the tail file is of write ${witness.sequence}, the log of write ${state.sequence}`);
  if (state.sequence === witness.sequence && witness.state !== null && !sameDurableState(state, witness.state))
    throw fail(STATE_KEY, index, "it differs from the tail file");
  return { state, entries: await readEntries(state, { records, codec, fail }) };
}

async function readState(records: LogRecords, codec: RecordCodec, fail: Fail): Promise<LogState | null> {
  const bytes = await records.get(STATE_KEY);
  if (bytes === undefined) return null;
  try {
    return decodeLogState(codec.open(STATE_PLACE, bytes));
  } catch (cause) {
    throw fail(STATE_KEY, 0, messageOf(cause), cause);
  }
}

/** Throws ClusterError `failed_precondition` when neither slot can be read. */
export async function readWitness(tail: Tail, { directory, codec }: { readonly directory: string; readonly codec: RecordCodec }): Promise<Witness> {
  const fail: Fail = (key, index, what, cause) => damagedLog({ directory, key, index, what, cause });
  const slots = await tail.slots();
  const readable = slots.filter((slot) => slot.type !== "damaged");
  if (readable.length === 0) throw fail("tail", 0, "both slots of the tail file are damaged");
  let newest: Witness = { sequence: 0, state: null, batch: null };
  for (const slot of readable) {
    if (slot.type !== "written" || slot.sequence <= newest.sequence) continue;
    try {
      const body = decodeTailBody(slot.body);
      newest = { sequence: slot.sequence, state: decodeLogState(codec.open(STATE_PLACE, body.state)), batch: body.batch };
    } catch (cause) {
      throw fail("tail", 0, messageOf(cause), cause);
    }
  }
  return newest;
}

/** `commit` and `compacted` may be written between two batches. */
function sameDurableState(a: LogState, b: LogState): boolean {
  return a.raftId === b.raftId && a.term === b.term && a.vote === b.vote && a.last.index === b.last.index && sameBytes(a.last.link, b.last.link);
}

async function readEntries(
  state: LogState,
  { records, codec, fail }: { readonly records: LogRecords; readonly codec: RecordCodec; readonly fail: Fail },
): Promise<readonly LinkedEntry[]> {
  const entries: LinkedEntry[] = [];
  let previous = state.compacted.link;
  let index = state.compacted.index;
  if (state.last.index > index) {
    for await (const [key, record] of records.range({ gte: entryKey(index + 1), lte: entryKey(state.last.index) })) {
      index++;
      if (key !== entryKey(index)) throw fail(entryKey(index), index, "it is missing");
      const linked = readEntry(record, { index, previous, codec, fail });
      entries.push(linked);
      previous = linked.link;
    }
  }
  if (index !== state.last.index) throw fail(entryKey(index + 1), index + 1, `it is missing, and the log ends at ${state.last.index}`);
  if (!sameBytes(previous, state.last.link)) throw fail(entryKey(index), index, "its checksum is not that of the end of the log");
  return entries;
}

function readEntry(
  record: Uint8Array,
  place: { readonly index: number; readonly previous: Uint8Array; readonly codec: RecordCodec; readonly fail: Fail },
): LinkedEntry {
  const { index, previous, codec, fail } = place;
  try {
    const plain = codec.open({ kind: "entry", index, term: null, part: 0 }, record);
    const link = linkOf(previous, plain.subarray(LINK_BYTES));
    if (!sameBytes(link, plain.subarray(0, LINK_BYTES))) throw new ClusterError("internal", "its checksum does not match");
    const entry = EntryCodec.decode(plain.subarray(LINK_BYTES));
    if (entry.index !== index) throw new ClusterError("internal", `it is entry ${entry.index}`);
    return { entry, link };
  } catch (cause) {
    throw fail(entryKey(index), index, messageOf(cause), cause);
  }
}

interface DamagedPlace {
  readonly directory: string;
  readonly key: string;
  readonly index: number;
  readonly what: string;
  readonly cause?: unknown;
}

const LOST =
  "what this member acknowledged may be lost, so it must not take part again: remove it from the cluster and let it join as a new member with an empty directory";

const FOREIGN_KEY = "put back the data key that was made with this folder";

/** The refusal of a log that cannot be trusted, with its place. */
export function damagedLog(place: DamagedPlace): ClusterError {
  if (isClusterError(place.cause, "unauthenticated")) return refusal(place, "cannot be opened", FOREIGN_KEY);
  return refusal(place, "is damaged", LOST);
}

/** The refusal of a log that the disk does not give. */
export function unreadableLog(place: DamagedPlace): ClusterError {
  return refusal(place, "cannot be read", `make sure that the disk has space and works, then start the daemon again; if files are gone, ${LOST}`);
}

function refusal({ directory, key, index, what, cause }: DamagedPlace, is: string, remedy: string): ClusterError {
  return new ClusterError("failed_precondition", `the raft log in ${directory} ${is} at key "${key}" (index ${index}): ${what}; ${remedy}`, {
    details: { directory, key, index: String(index) },
    cause,
  });
}
