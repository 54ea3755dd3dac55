import { integerBetween, type Random } from "../../src/base/random.js";
import type { KeyRange, LogRecord } from "../../src/replica/disk.js";
import { flipByte } from "./flipping.js";

/** What LevelDB writes at once: records, or the end of some. */
type Batch = { readonly put: readonly LogRecord[] } | { readonly remove: readonly string[] };

/** Batches that LevelDB has in its log only: damage there loses all that come after it. */
const JOURNAL_MAX = 8;
/** Keys that a `clear` removes at a time. */
const CLEARED_KEYS = 4;

/** `level` as far as the log's safety depends on it: batches that are there or not, in their order, by LevelDB's own checksums. */
export class Database {
  /** As a reader sees it. */
  readonly #seen = new Map<string, Uint8Array>();
  /** What is in tables: safe from anything but damage to a record. */
  readonly #tables = new Map<string, Uint8Array>();
  /** Batches after those in the tables. */
  #journal: Batch[] = [];
  /** The last so many batches of the journal are not durable. */
  #unsynced = 0;
  /** A write failed in the middle: from this batch on nobody will find anything who opens the journal. */
  #tornAt: number | null = null;
  /** A sync failed: from this batch on it may all be gone when the machine goes off, and LevelDB takes no more until it is opened again. */
  #failedAt: number | null = null;

  get(key: string): Uint8Array | undefined {
    return this.#seen.get(key);
  }

  keysIn({ gte, lte }: KeyRange): readonly string[] {
    const keys: string[] = [];
    for (const key of this.#seen.keys()) if (key >= gte && key <= lte) keys.push(key);
    return keys.sort();
  }

  /** Whether it takes writes. */
  get isSound(): boolean {
    return this.#failedAt === null;
  }

  put(records: readonly LogRecord[]): void {
    this.#add({ put: records });
  }

  /** A batch could not be written: there may be a torn beginning of it. */
  tear(random: Random): void {
    if (random.next() < 0.5) this.#tornAt ??= this.#journal.length;
  }

  /** A batch was written, and could not be synced. */
  failSync(records: readonly LogRecord[]): void {
    this.#failedAt ??= this.#journal.length;
    this.#journal.push({ put: records });
    this.#unsynced++;
  }

  clear(range: KeyRange): void {
    const keys = this.keysIn(range);
    for (let at = 0; at < keys.length; at += CLEARED_KEYS) this.#add({ remove: keys.slice(at, at + CLEARED_KEYS) });
  }

  /** All that is here is durable. */
  sync(): void {
    this.#unsynced = 0;
    while (this.#tornAt === null && this.#journal.length > JOURNAL_MAX) this.#settle();
  }

  /** The machine is off: what is not durable is gone from some batch on. */
  lose(random: Random): void {
    if (this.#failedAt !== null && random.next() < 0.7) this.#dropFrom(this.#failedAt);
    this.#dropTorn();
    this.#drop(integerBetween(random, 0, this.#unsynced));
  }

  /** Who opens it writes anew what is in its log. */
  open(): void {
    this.#dropTorn();
    while (this.#journal.length > 0) this.#settle();
    this.#unsynced = 0;
    // What a failed sync left is found again, as long as the machine was not off.
    if (this.#failedAt !== null) this.#seeAgain();
    this.#failedAt = null;
  }

  /** Damage in LevelDB's log: it opens, and does not say that batches are missing. */
  loseLatest(random: Random): string {
    const lost = integerBetween(random, 0, this.#journal.length);
    this.#drop(lost);
    return `the last ${lost} batches are gone`;
  }

  loseRecord(random: Random): string {
    const key = this.#anyKey(random);
    this.#replace((map) => map.delete(key));
    return `${key} is gone`;
  }

  flip(random: Random): string {
    const key = this.#anyKey(random);
    const value = Uint8Array.from(this.#seen.get(key) ?? []);
    if (value.length === 0) return "nothing happened";
    const at = flipByte(value, random);
    this.#replace((map) => map.set(key, value));
    return `byte ${at} of ${key} is another`;
  }

  #add(batch: Batch): void {
    this.#journal.push(batch);
    this.#unsynced++;
    apply(batch, this.#seen);
  }

  #dropTorn(): void {
    if (this.#tornAt !== null) this.#dropFrom(this.#tornAt);
    this.#tornAt = null;
  }

  #dropFrom(at: number): void {
    const lost = Math.max(this.#journal.length - at, 0);
    this.#journal.length -= lost;
    this.#unsynced = Math.max(this.#unsynced - lost, 0);
    this.#seeAgain();
  }

  #drop(count: number): void {
    this.#journal.length -= count;
    this.#unsynced = 0;
    if (count > 0 || this.#failedAt !== null) this.#seeAgain();
    this.#failedAt = null;
  }

  #seeAgain(): void {
    this.#seen.clear();
    for (const [key, value] of this.#tables) this.#seen.set(key, value);
    for (const batch of this.#journal) apply(batch, this.#seen);
  }

  /** Damage is done to what is at rest: everything that is left. */
  #replace(change: (map: Map<string, Uint8Array>) => void): void {
    this.open();
    change(this.#tables);
    change(this.#seen);
  }

  /** The oldest batch goes into the tables. */
  #settle(): void {
    const batch = this.#journal.shift();
    if (batch !== undefined) apply(batch, this.#tables);
  }

  #anyKey(random: Random): string {
    const keys = [...this.#seen.keys()];
    return keys[integerBetween(random, 0, keys.length - 1)] ?? "";
  }
}

function apply(batch: Batch, map: Map<string, Uint8Array>): void {
  if ("put" in batch) for (const { key, value } of batch.put) map.set(key, value);
  else for (const key of batch.remove) map.delete(key);
}
