import { defined } from "../../src/base/assert.js";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { Entry } from "../../src/raft/message.js";
import { linkOf, sameBytes } from "../../src/replica/entry-chain.js";
import { entryKey, STATE_KEY } from "../../src/replica/log-keys.js";
import { encodeLogState, type LogState } from "../../src/replica/log-state.js";
import type { LinkedEntry } from "../../src/replica/memory-log.js";
import { STATE_PLACE } from "../../src/replica/record-codec.js";
import { encodeTailBody, type LogRecord } from "../../src/replica/tail-body.js";
import { encodeSlot } from "../../src/replica/tail-slot.js";
import { EntryCodec } from "../../src/wire/generated/raft.js";
import { checkedRecords as codec } from "./checked-records.js";

/** An entry as it is in `level`. */
export interface StoredEntry extends LinkedEntry {
  readonly record: Uint8Array;
}

/** What is written to `level` at once. */
export interface Batch {
  readonly state: LogState;
  readonly entries: readonly StoredEntry[];
  /** Entries up to here are deleted; 0 is none. */
  readonly clearThrough: number;
}

/** Batches that LevelDB has in its log only: damage there loses all that come after it. */
const JOURNAL_MAX = 8;

/**
 * `level` as far as the log's safety depends on it: batches that are there or not, in their order, by LevelDB's own checksums. Bytes are made only when somebody reads
 * them, for the sake of speed.
 */
export class Database {
  /** What is in tables: safe from anything but damage to a record. */
  #state: LogState | null = null;
  readonly #entries = new Map<number, StoredEntry>();
  #journal: Batch[] = [];
  #unsynced = 0;
  /** Damaged records, by key; null is one that is gone. */
  readonly #damaged = new Map<string, Uint8Array | null>();

  write(batch: Batch, isSync: boolean): void {
    this.#journal.push(batch);
    this.#unsynced = isSync ? 0 : this.#unsynced + 1;
    while (this.#journal.length > JOURNAL_MAX + this.#unsynced) this.#settle();
  }

  /** Begins anew with what was found good. */
  reset(batch: Batch): void {
    this.#entries.clear();
    this.#damaged.clear();
    this.#journal = [batch];
    this.#unsynced = 0;
    this.#settle();
  }

  /** What is stored for an index; undefined when it is another entry, or none. */
  find({ entry, link }: LinkedEntry): StoredEntry | undefined {
    const stored = this.#entries.get(entry.index);
    return stored !== undefined && sameBytes(stored.link, link) ? stored : undefined;
  }

  loseUnsynced(random: Random): void {
    this.#journal.length -= integerBetween(random, 0, this.#unsynced);
    this.#unsynced = 0;
  }

  /** Damage in LevelDB's log: it opens, and does not say that batches are missing. */
  loseLatest(random: Random): string {
    const lost = integerBetween(random, 0, this.#journal.length);
    this.#journal.length -= lost;
    return `the last ${lost} batches are gone`;
  }

  loseRecord(random: Random): string {
    const key = this.#anyKey(random);
    this.#damaged.set(key, null);
    return `${key} is gone`;
  }

  flip(random: Random): string {
    const key = this.#anyKey(random);
    const value = Uint8Array.from(defined(this.records().get(key), `${key} is a key`));
    const at = flipByte(value, random);
    this.#damaged.set(key, value);
    return `byte ${at} of ${key} is another`;
  }

  /** All there is to read. */
  records(): Map<string, Uint8Array> {
    while (this.#journal.length > 0) this.#settle();
    const records = new Map<string, Uint8Array>();
    if (this.#state !== null)
      for (const { key, value } of batchOf({ state: this.#state, entries: [...this.#entries.values()], clearThrough: 0 })) records.set(key, value);
    for (const [key, value] of this.#damaged) {
      if (value === null) records.delete(key);
      else if (records.has(key)) records.set(key, value);
    }
    return records;
  }

  /** The oldest batch goes into the tables. */
  #settle(): void {
    const batch = this.#journal.shift();
    if (batch === undefined) return;
    this.#state = batch.state;
    for (const entry of batch.entries) this.#entries.set(entry.entry.index, entry);
    if (batch.clearThrough > 0) for (const index of this.#entries.keys()) if (index <= batch.clearThrough) this.#entries.delete(index);
  }

  #anyKey(random: Random): string {
    const keys = [...this.records().keys()];
    return keys[integerBetween(random, 0, keys.length - 1)] ?? STATE_KEY;
  }
}

/** Changes one bit; says in which byte. */
export function flipByte(bytes: Uint8Array, random: Random): number {
  const at = integerBetween(random, 0, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << integerBetween(random, 0, 7));
  return at;
}

/** The records of a batch, as `level` gets them. */
export function batchOf({ state, entries }: Batch): readonly LogRecord[] {
  const records = entries.map(({ entry, record }) => ({ key: entryKey(entry.index), value: record }));
  return [...records, { key: STATE_KEY, value: codec.seal(STATE_PLACE, encodeLogState(state)) }];
}

/** Members write the same entries behind the same ones: each is sealed once. */
const sealed = new WeakMap<Entry, { readonly before: Uint8Array; readonly stored: StoredEntry }>();

/** The entry behind one with this link. */
export function storedAfter(before: Uint8Array, entry: Entry): StoredEntry {
  const known = sealed.get(entry);
  if (known !== undefined && sameBytes(known.before, before)) return known.stored;
  const encoded = EntryCodec.encode(entry);
  const link = linkOf(before, encoded);
  const record = codec.seal({ kind: "entry", index: entry.index, term: entry.term, part: 0 }, Buffer.concat([link, encoded]));
  const stored = { entry, link, record };
  sealed.set(entry, { before, stored });
  return stored;
}

/** A slot of the tail file: with the batch itself, or with the state alone. */
export function encodeTail(batch: Batch, isKept: boolean): Uint8Array {
  const records = batchOf(batch);
  const state = records.at(-1)?.value ?? new Uint8Array(0);
  return encodeSlot(batch.state.sequence, encodeTailBody({ state, batch: isKept ? records : null }));
}
