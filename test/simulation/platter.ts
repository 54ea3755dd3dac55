import { defined } from "../../src/base/assert.js";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { HardState, SnapshotMeta } from "../../src/raft/message.js";
import type { Ready } from "../../src/raft/ready.js";
import { linkOfSnapshot } from "../../src/replica/entry-chain.js";
import { entryKey, STATE_KEY } from "../../src/replica/log-keys.js";
import type { LogPosition, LogState } from "../../src/replica/log-state.js";
import { EntryProof, missedBatch, provenState, type RecoveredLog, witnessOf } from "../../src/replica/recovery.js";
import { parseSlot } from "../../src/replica/tail-slot.js";
import { checkedRecords as codec } from "./checked-records.js";
import { type Batch, Database, encodeTail, flipByte, type StoredEntry, storedAfter } from "./database.js";

const NO_CHANGE = { entries: [], clearThrough: 0 };
/** Bytes of a slot that are written at a time: after a power cut each may be new or old. */
const SECTOR_BYTES = 128;

interface Write {
  readonly batch: Batch;
  /** Whether it is waited for. */
  readonly isSync: boolean;
}

/** What a log begins with. */
export interface LogOrigin {
  readonly hardState: HardState;
  readonly origin: Pick<SnapshotMeta, "index" | "term">;
}

/** A slot of the tail file: bytes are made only when somebody reads them. */
type Slot = Uint8Array | { readonly batch: Batch; readonly isKept: boolean };

/**
 * What is on a member's disk, as src/replica lays it out: `level`, whose batches are all or nothing, and the tail file with its two slots. Writes end where a crash
 * catches them; bytes change at rest. What a member starts with is what the real recovery makes of it.
 */
export class Platter {
  readonly #raftId: number;
  readonly #keptBytesMax: number;
  readonly #database = new Database();
  /** Null when the tail file is gone. */
  #slots: [Slot, Slot] | null = null;
  /** As the member that runs knows it. */
  #state: LogState;
  #positions = new Map<number, LogPosition>();
  #underWay: Write | null = null;
  /** Of the last write that the member waited for: whatever comes, it must not be less. */
  promised: LogState;
  /** Of the write that a crash caught: it may be there or not. */
  attempted: LogState | null = null;
  /** What was done to it since it was last opened. */
  damage: string | null = null;

  /** Batches whose entries have more bytes than `keptBytesMax` are not kept in the tail file. */
  constructor(raftId: number, options: LogOrigin & { readonly keptBytesMax: number }) {
    this.#raftId = raftId;
    this.#keptBytesMax = options.keptBytesMax;
    this.#state = this.promised = this.#format(options);
  }

  begin(ready: Ready): void {
    this.#underWay = ready.mustSync ? this.#synced(ready) : this.#unsynced(ready);
  }

  complete(): void {
    const write = this.#underWay;
    this.#underWay = null;
    if (write !== null) this.#finish(write);
  }

  /** Entries up to here are covered by a snapshot; written without being waited for. */
  compact(index: number): void {
    if (index <= this.#state.compacted.index) return;
    this.#state = { ...this.#state, compacted: defined(this.#positions.get(index), `entry ${index} is in the log`) };
    this.#database.write({ ...NO_CHANGE, state: this.#state }, false);
    this.#database.write({ ...NO_CHANGE, state: this.#state, clearThrough: index }, false);
    for (const old of this.#positions.keys()) if (old < index) this.#positions.delete(old);
  }

  /**
   * The machine is off. What was not waited for may be gone, from some batch on; of the write under way, each of the two places may have all or nothing, and the
   * slot of the tail file some sectors of it.
   */
  crash(random: Random): void {
    this.#database.loseUnsynced(random);
    const write = this.#underWay;
    this.#underWay = null;
    this.attempted = write?.isSync === true ? write.batch.state : null;
    if (write?.isSync !== true) return;
    const isKept = this.#isKept(write.batch);
    const isInLevel = random.next() < 0.5;
    if (isInLevel) this.#database.write(write.batch, true);
    // A batch that the tail does not keep is in `level` before the slot is begun.
    if (isKept || isInLevel) this.#tear(write.batch, isKept, random);
  }

  /** Something happens to what is stored, while nobody looks. */
  corrupt(random: Random): void {
    const kind = integerBetween(random, 0, 6);
    if (kind === 0) this.damage = this.#database.loseLatest(random);
    else if (kind === 1) this.damage = this.#loseTail();
    else if (kind === 2) this.damage = this.#database.loseRecord(random);
    else if (kind <= 4) this.damage = this.#database.flip(random);
    else this.damage = this.#flipSlot(random);
  }

  /** Reads it back as a member does at its start. Throws what the real recovery throws. */
  open(): RecoveredLog {
    const place = { directory: `disk of ${this.#raftId}`, codec };
    const witness = this.#slots === null ? null : witnessOf(this.#slots.map(bytesOf).map(parseSlot), place);
    const records = this.#database.records();
    const missed = missedBatch(records.get(STATE_KEY), witness, place);
    for (const { key, value } of missed ?? []) records.set(key, value);
    const state = defined(provenState(records.get(STATE_KEY), witness, place), "a disk was written before it is read");
    const proof = new EntryProof(state, place);
    for (let index = state.compacted.index + 1; index <= state.last.index; index++) {
      const record = records.get(entryKey(index));
      if (record !== undefined) proof.add(entryKey(index), record);
    }
    const recovered = { state, entries: proof.finish(), isVouchedFor: state.sequence === witness?.sequence };
    this.#adopt(recovered);
    return recovered;
  }

  #format({ hardState, origin: { index, term } }: LogOrigin): LogState {
    const position = { index, term, link: linkOfSnapshot(index, term) };
    const state: LogState = { ...hardState, sequence: 1, raftId: this.#raftId, last: position, compacted: position, seeds: [] };
    this.#slots = [new Uint8Array(64), new Uint8Array(64)];
    this.#adopt({ state, entries: [], isVouchedFor: false });
    return state;
  }

  #adopt({ state, entries, isVouchedFor }: RecoveredLog): void {
    let before = state.compacted.link;
    const stored = entries.map((linked) => {
      const found = this.#database.find(linked) ?? storedAfter(before, linked.entry);
      before = found.link;
      return found;
    });
    this.#database.reset({ ...NO_CHANGE, state, entries: stored });
    if (!isVouchedFor) this.#writeSlot(state.sequence, { batch: { ...NO_CHANGE, state }, isKept: false });
    this.#state = state;
    this.#positions = new Map(entries.map(({ entry, link }) => [entry.index, { index: entry.index, term: entry.term, link }]));
    this.#positions.set(state.compacted.index, state.compacted);
    this.promised = state;
    this.attempted = null;
    this.damage = null;
  }

  #synced(ready: Ready): Write {
    const { hardState, snapshot } = ready;
    const origin = snapshot === null ? null : { index: snapshot.index, term: snapshot.term, link: linkOfSnapshot(snapshot.index, snapshot.term) };
    const entries = this.#link(ready, origin);
    const end = entries.at(-1);
    const state: LogState = {
      ...this.#state,
      ...hardState,
      sequence: this.#state.sequence + 1,
      last: end === undefined ? (origin ?? this.#state.last) : { index: end.entry.index, term: end.entry.term, link: end.link },
      compacted: origin ?? this.#state.compacted,
    };
    return { batch: { ...NO_CHANGE, state, entries }, isSync: true };
  }

  #unsynced({ hardState }: Ready): Write | null {
    if (hardState === null) return null;
    return { batch: { ...NO_CHANGE, state: { ...this.#state, commit: hardState.commit } }, isSync: false };
  }

  #link({ entries }: Ready, origin: LogPosition | null): readonly StoredEntry[] {
    const first = entries[0];
    if (first === undefined) return [];
    const before = origin?.index === first.index - 1 ? origin : this.#positions.get(first.index - 1);
    let { link } = defined(before, `the entry before ${first.index} is in the log`);
    return entries.map((entry) => {
      const stored = storedAfter(link, entry);
      link = stored.link;
      return stored;
    });
  }

  /** `level` and the tail file have it. */
  #finish({ batch, isSync }: Write): void {
    this.#database.write(batch, isSync);
    this.#state = batch.state;
    if (!isSync) return;
    this.#writeSlot(batch.state.sequence, { batch, isKept: this.#isKept(batch) });
    this.promised = batch.state;
    if (batch.state.compacted.index > 0) this.#positions.set(batch.state.compacted.index, batch.state.compacted);
    for (const { entry, link } of batch.entries) this.#positions.set(entry.index, { index: entry.index, term: entry.term, link });
  }

  #isKept({ entries }: Batch): boolean {
    return entries.reduce((bytes, { record }) => bytes + record.length, 0) <= this.#keptBytesMax;
  }

  #writeSlot(sequence: number, slot: Slot): void {
    this.#present[sequence % 2] = slot;
  }

  get #present(): [Slot, Slot] {
    return defined(this.#slots, "a tail file is there until it is lost");
  }

  #tear(batch: Batch, isKept: boolean, random: Random): void {
    const number = batch.state.sequence % 2;
    const [old, next] = [bytesOf(defined(this.#present[number], "a slot has a number")), encodeTail(batch, isKept)];
    const torn = new Uint8Array(Math.max(old.length, next.length)).fill(255);
    // What an earlier tear left was sealed by another start of the member: no sector of this write completes it.
    if (parseSlot(old).type !== "damaged") torn.set(old);
    const chance = integerBetween(random, 0, 2) / 2;
    for (let at = 0; at < next.length; at += SECTOR_BYTES) if (random.next() < chance) torn.set(next.subarray(at, at + SECTOR_BYTES), at);
    this.#writeSlot(number, torn);
  }

  #loseTail(): string {
    this.#slots = null;
    return "the tail file is gone";
  }

  #flipSlot(random: Random): string {
    const number = integerBetween(random, 0, 1);
    const slot = Uint8Array.from(bytesOf(defined(this.#present[number], "a slot has a number")));
    const at = flipByte(slot, random);
    this.#writeSlot(number, slot);
    return `byte ${at} of slot ${number} of the tail file is another`;
  }
}

function bytesOf(slot: Slot): Uint8Array {
  return slot instanceof Uint8Array ? slot : encodeTail(slot.batch, slot.isKept);
}
