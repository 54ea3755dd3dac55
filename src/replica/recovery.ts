import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import type { LogDatabase } from "./disk.js";
import { sameBytes } from "./entry-chain.js";
import { entryKey, parseStoredEntry, STATE_KEY, type StoredEntry, sealedEntry, sealedState } from "./log-records.js";
import { decodeLogState, type LogState } from "./log-state.js";
import type { LinkedEntry } from "./memory-log.js";
import { type RecordCodec, STATE_PLACE, tailPlace } from "./record-codec.js";
import { decodeTailBody, type TailBody } from "./tail-body.js";
import type { Tail } from "./tail-file.js";
import type { TailRecord } from "./tail-record.js";
import { UnsettledEntries } from "./unsettled-entries.js";

export interface RecoveredLog {
  readonly state: LogState;
  readonly entries: readonly LinkedEntry[];
}

/** What the tail file vouches for: the newest of its records that are whole. */
export interface Witness {
  readonly sequence: number;
  readonly state: LogState | null;
  /** Where it lies; null when there is none. */
  readonly record: TailRecord | null;
  /** It and those before it, without a gap, the oldest first. */
  readonly writes: readonly TailBody[];
}

/** Where a log is, and what opens its records. */
export interface LogPlace {
  readonly directory: string;
  readonly codec: RecordCodec;
}

/**
 * Reads a log back after a stop of any kind and proves that nothing acknowledged is missing; null when there is none yet.
 *
 * Each write was in the tail file before it was acknowledged, and what that has beyond `level` is written there now. A write too large for it was in `level` before, which may then be one
 * write ahead after a crash. Throws ClusterError `failed_precondition` with the details `directory`, `key` and `index` when the log does not reach what the tail vouches for, or is
 * damaged. The proofs wait for nothing, so that the simulation runs them on its own disks.
 */
export async function recoverLog({
  records,
  witness,
  ...place
}: LogPlace & { readonly records: Pick<LogDatabase, "get" | "range" | "write">; readonly witness: Witness | null }): Promise<RecoveredLog | null> {
  let stored = readState(await records.get(STATE_KEY), place);
  const missed = missedWrites(stored?.sequence ?? 0, witness);
  const newest = missed.at(-1);
  if (newest !== undefined) {
    await records.write([...entriesOf(missed).map((entry) => sealedEntry(place.codec, entry)), sealedState(place.codec, newest.state)]);
    stored = newest.state;
  }
  const state = provenState(stored, witness, place);
  if (state === null) return null;
  const proof = new EntryProof(state, place);
  if (proof.range !== null) for await (const [key, record] of records.range(proof.range)) proof.add(key, record);
  return { state, entries: proof.finish() };
}

/** The writes that `level` has not, the oldest first; none when the tail file does not have them all. */
function missedWrites(sequence: number, witness: Witness | null): readonly TailBody[] {
  if (witness === null) return [];
  const missed = witness.writes.filter(({ state }) => state.sequence > sequence);
  const isComplete = missed[0]?.state.sequence === sequence + 1 && missed.every(({ entries }) => entries !== null);
  return isComplete ? missed : [];
}

function entriesOf(writes: readonly TailBody[]): readonly StoredEntry[] {
  const entries = new UnsettledEntries();
  for (const write of writes) entries.add(write.entries ?? []);
  return entries.take(writes.at(-1)?.state.compacted.index ?? 0);
}

/** The state in `level`, when the tail agrees with it; null when neither has any. Throws like recoverLog. */
function provenState(state: LogState | null, witness: Witness | null, place: LogPlace): LogState | null {
  const fail = failing(place);
  if (witness === null) {
    if (state === null) return null;
    throw fail("tail", state.last.index, "the tail file is missing");
  }
  const index = witness.state?.last.index ?? 0;
  if (state === null) {
    if (witness.state === null) return null;
    throw fail(STATE_KEY, index, "it is missing");
  }
  if (witness.state === null) throw fail("tail", state.last.index, "no record of the tail file can be read");
  if (state.sequence < witness.sequence) throw fail(STATE_KEY, index, `it is of write ${state.sequence}, but write ${witness.sequence} was acknowledged`);
  if (state.sequence > witness.sequence + 1)
    throw fail("tail", state.last.index, `the tail file is of write ${witness.sequence}, the log of write ${state.sequence}`);
  if (state.sequence === witness.sequence && !sameDurableState(state, witness.state)) throw fail(STATE_KEY, index, "it differs from the tail file");
  return state;
}

type Fail = (key: string, index: number, what: string, cause?: unknown) => ClusterError;

function failing({ directory }: LogPlace): Fail {
  return (key, index, what, cause) => damagedLog({ directory, key, index, what, cause });
}

function readState(stored: Uint8Array | undefined, place: LogPlace): LogState | null {
  if (stored === undefined) return null;
  try {
    return decodeLogState(place.codec.open(STATE_PLACE, stored));
  } catch (cause) {
    throw failing(place)(STATE_KEY, 0, messageOf(cause), cause);
  }
}

/** Throws ClusterError `failed_precondition` when the tail file is not as long as it was made, or its records are sealed with a key that is not there. */
export async function witnessOf(tail: Tail, place: LogPlace): Promise<Witness> {
  const found = await tail.records().catch((cause: unknown) => {
    throw isClusterError(cause) ? failing(place)("tail", 0, messageOf(cause), cause) : cause;
  });
  const { whole, foreign } = wholeRecords(found, place);
  let newest: WholeRecord | null = null;
  for (const record of whole.values()) if (record.sequence > (newest?.sequence ?? 0)) newest = record;
  // Those of a key that was replaced are of no use, as long as there are others.
  if (newest === null && foreign !== null) throw failing(place)("tail", 0, messageOf(foreign), foreign);
  const writes: TailBody[] = [];
  for (let at = newest; at !== null; at = whole.get(at.sequence - 1) ?? null) writes.push(at.body);
  return { sequence: newest?.sequence ?? 0, state: newest?.body.state ?? null, record: newest, writes: writes.reverse() };
}

interface WholeRecord extends TailRecord {
  readonly body: TailBody;
}

/** Either copy will do. Of a write there may be another record without entries, which a later start made, with what was known to be committed then. */
function wholeRecords(found: readonly TailRecord[], { codec }: LogPlace): { readonly whole: ReadonlyMap<number, WholeRecord>; readonly foreign: unknown } {
  const whole = new Map<number, WholeRecord>();
  let foreign: unknown = null;
  for (const record of found) {
    const other = whole.get(record.sequence);
    // Byte for byte what was opened already: mostly the second copy.
    if (other !== undefined && sameBytes(other.sealed, record.sealed)) {
      whole.set(record.sequence, { ...record, body: other.body });
      continue;
    }
    try {
      const body = decodeTailBody(codec.open(tailPlace(record.sequence), record.sealed));
      const { state, entries } = other?.body ?? body;
      whole.set(record.sequence, { ...record, body: { state: body.state.commit > state.commit ? body.state : state, entries: entries ?? body.entries } });
    } catch (cause) {
      // Torn by a crash, overwritten in part, or damaged: what matters is whether the others are enough.
      if (isClusterError(cause, "unauthenticated")) foreign = cause;
    }
  }
  return { whole, foreign };
}

/** `commit` and `compacted` may be written between two batches. */
function sameDurableState(a: LogState, b: LogState): boolean {
  return a.raftId === b.raftId && a.term === b.term && a.vote === b.vote && a.last.index === b.last.index && sameBytes(a.last.link, b.last.link);
}

/** Takes the records of a log in their order and proves that they are the ones that its state vouches for. Throws like recoverLog. */
class EntryProof {
  readonly #state: LogState;
  readonly #codec: RecordCodec;
  readonly #fail: Fail;
  readonly #entries: LinkedEntry[] = [];
  #index: number;
  #link: Uint8Array;

  constructor(state: LogState, place: LogPlace) {
    this.#state = state;
    this.#codec = place.codec;
    this.#fail = failing(place);
    this.#index = state.compacted.index;
    this.#link = state.compacted.link;
  }

  /** Keys of the records to give; null when there are none. */
  get range(): { readonly gte: string; readonly lte: string } | null {
    const { compacted, last } = this.#state;
    return last.index > compacted.index ? { gte: entryKey(compacted.index + 1), lte: entryKey(last.index) } : null;
  }

  add(key: string, record: Uint8Array): void {
    const index = ++this.#index;
    if (key !== entryKey(index)) throw this.#fail(entryKey(index), index, "it is missing");
    const linked = this.#read(record, index);
    this.#entries.push(linked);
    this.#link = linked.link;
  }

  finish(): readonly LinkedEntry[] {
    const { last } = this.#state;
    const index = this.#index;
    if (index !== last.index) throw this.#fail(entryKey(index + 1), index + 1, `it is missing, and the log ends at ${last.index}`);
    if (!sameBytes(this.#link, last.link)) throw this.#fail(entryKey(index), index, "its checksum is not that of the end of the log");
    return this.#entries;
  }

  #read(record: Uint8Array, index: number): LinkedEntry {
    try {
      const plain = this.#codec.open({ kind: "entry", index, term: null, part: 0 }, record);
      const { entry, link } = parseStoredEntry(plain, { index, previous: this.#link });
      return { entry, link };
    } catch (cause) {
      throw this.#fail(entryKey(index), index, messageOf(cause), cause);
    }
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
  "what this member acknowledged may be lost, so it must not take part again: demote it on another manager, and promote it once it is a worker: it becomes a new member; one that is alone leaves by force and is restored from a backup";

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
