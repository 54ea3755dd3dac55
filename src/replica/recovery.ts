import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { EntryCodec } from "../wire/generated/raft.js";
import type { LogDatabase } from "./disk.js";
import { LINK_BYTES, linkOf, sameBytes } from "./entry-chain.js";
import { entryKey, STATE_KEY } from "./log-keys.js";
import { decodeLogState, type LogState } from "./log-state.js";
import type { LinkedEntry } from "./memory-log.js";
import { type RecordCodec, STATE_PLACE } from "./record-codec.js";
import { decodeTailBody, type LogRecord } from "./tail-body.js";
import type { Tail } from "./tail-file.js";
import type { TailSlot } from "./tail-slot.js";

export interface RecoveredLog {
  readonly state: LogState;
  readonly entries: readonly LinkedEntry[];
  /** False when the newest slot of the tail file says the same, and is the only one that can be read: writing it again could leave none. */
  readonly mayRenewWitness: boolean;
}

/** What the tail file vouches for: the newest of its slots that can be read. */
export interface Witness {
  readonly sequence: number;
  readonly state: LogState | null;
  readonly batch: readonly LogRecord[] | null;
}

/** Where a log is, and what opens its records. */
export interface LogPlace {
  readonly directory: string;
  readonly codec: RecordCodec;
}

/**
 * Reads a log back after a stop of any kind and proves that nothing acknowledged is missing; null when there is none yet.
 *
 * A write goes to the tail file and to `level`, either of which may be one batch ahead after a crash. When the tail is, the batch
 * that it keeps is written again; when it keeps none, `level` had it before and has lost it since. Throws ClusterError
 * `failed_precondition` with the details `directory`, `key` and `index` when the log does not reach what the tail vouches for, or is
 * damaged. The proofs wait for nothing, so that the simulation runs them on its own disks.
 */
export async function recoverLog({
  records,
  tail,
  ...place
}: LogPlace & { readonly records: Pick<LogDatabase, "get" | "range" | "write">; readonly tail: Tail | null }): Promise<RecoveredLog | null> {
  const slots = tail === null ? [] : await tail.slots();
  const witness = tail === null ? null : witnessOf(slots, place);
  let stored = await records.get(STATE_KEY);
  const missed = missedBatch(stored, witness, place);
  if (missed !== null) {
    await records.write(missed);
    stored = await records.get(STATE_KEY);
  }
  const state = provenState(stored, witness, place);
  if (state === null) return null;
  const proof = new EntryProof(state, place);
  if (proof.range !== null) for await (const [key, record] of records.range(proof.range)) proof.add(key, record);
  const isOnlyWitness = state.sequence === witness?.sequence && slots.some((slot) => slot.type === "damaged");
  return { state, entries: proof.finish(), mayRenewWitness: !isOnlyWitness };
}

/** The batch that the tail has and `level` missed; null when there is none, or the tail does not keep it. */
function missedBatch(stored: Uint8Array | undefined, witness: Witness | null, place: LogPlace): readonly LogRecord[] | null {
  if (witness === null || witness.batch === null) return null;
  return (readState(stored, place)?.sequence ?? 0) === witness.sequence - 1 ? witness.batch : null;
}

/** The state in `level`, when the tail agrees with it; null when neither has any. Throws like recoverLog. */
function provenState(stored: Uint8Array | undefined, witness: Witness | null, place: LogPlace): LogState | null {
  const fail = failing(place);
  const state = readState(stored, place);
  if (witness === null) {
    if (state === null) return null;
    throw fail("tail", state.last.index, "the tail file is missing");
  }
  const index = witness.state?.last.index ?? 0;
  if (state === null) {
    if (witness.state === null) return null;
    throw fail(STATE_KEY, index, "it is missing");
  }
  if (state.sequence < witness.sequence) throw fail(STATE_KEY, index, `it is of write ${state.sequence}, but write ${witness.sequence} was acknowledged`);
  if (state.sequence > witness.sequence + 1)
    throw fail("tail", state.last.index, `the tail file is of write ${witness.sequence}, the log of write ${state.sequence}`);
  if (state.sequence === witness.sequence && witness.state !== null && !sameDurableState(state, witness.state))
    throw fail(STATE_KEY, index, "it differs from the tail file");
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

/** Throws ClusterError `failed_precondition` when neither slot can be read. */
export function witnessOf(slots: readonly TailSlot[], place: LogPlace): Witness {
  const fail = failing(place);
  const readable = slots.filter((slot) => slot.type !== "damaged");
  if (readable.length === 0) throw fail("tail", 0, "both slots of the tail file are damaged");
  let newest: Witness = { sequence: 0, state: null, batch: null };
  for (const slot of readable) {
    if (slot.type !== "written" || slot.sequence <= newest.sequence) continue;
    try {
      const body = decodeTailBody(slot.body);
      newest = { sequence: slot.sequence, state: decodeLogState(place.codec.open(STATE_PLACE, body.state)), batch: body.batch };
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
      const link = linkOf(this.#link, plain.subarray(LINK_BYTES));
      if (!sameBytes(link, plain.subarray(0, LINK_BYTES))) throw new ClusterError("internal", "its checksum does not match");
      const entry = EntryCodec.decode(plain.subarray(LINK_BYTES));
      if (entry.index !== index) throw new ClusterError("internal", `it is entry ${entry.index}`);
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
