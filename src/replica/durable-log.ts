import { join } from "node:path";
import { assert, defined } from "../base/assert.js";
import { ClusterError, isClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { Entry, HardState, SnapshotMeta } from "../raft/message.js";
import type { Member } from "../wire/generated/raft.js";
import type { Disk, LogDatabase, LogRecord } from "./disk.js";
import { linkOfSnapshot } from "./entry-chain.js";
import { entryKey, STATE_KEY, type StoredEntry, sealedEntry, sealedState, storedEntry } from "./log-records.js";
import type { LogPosition, LogState } from "./log-state.js";
import { type LinkedEntry, MemoryLog } from "./memory-log.js";
import { nodeDisk } from "./node-disk.js";
import { type RecordCodec, tailPlace } from "./record-codec.js";
import { damagedLog, recoverLog, unreadableLog, type Witness, witnessOf } from "./recovery.js";
import { encodeTailBody, type TailBody } from "./tail-body.js";
import type { Tail, TailOpener } from "./tail-file.js";
import { UnsettledEntries } from "./unsettled-entries.js";

/** What one Ready wants durable. */
export interface LogWrite {
  readonly hardState: HardState | null;
  /** False when all that is new is a commit, which may be written later. */
  readonly mustSync: boolean;
  readonly entries: readonly Entry[];
  readonly snapshot: SnapshotMeta | null;
}

/** With the record for `level`. */
interface SealedEntry extends StoredEntry {
  readonly record: LogRecord;
}

/** Entries sealed anew at a time: a write waits no longer than for these. */
const RESEALED_ENTRIES = 256;
const RESEALED_BYTES = 1024 * 1024;
/** What the tail file alone has goes to `level` after so many writes, or when their entries have so many bytes. */
const SETTLED_WRITES = 256;
const SETTLED_BYTES = 1024 * 1024;

/**
 * Log and hard state on disk, with a copy of what is not compacted in memory (`storage`). Each write is a record of the tail file, durable before it resolves; `level` gets
 * what many of them brought in one synchronous batch, beside later writes ("settling"). After a failed write every later one fails too.
 */
export class DurableLog {
  readonly #directory: string;
  readonly #level: LogDatabase;
  readonly #tail: Tail;
  readonly #codec: RecordCodec;
  readonly #settledWrites: number;
  #state: LogState | null;
  #failure: ClusterError | null = null;
  #clearing: Promise<void> = Promise.resolve();
  /** The batch on its way to `level`. Never rejects: #failure tells. */
  #settling: Promise<void> | null = null;
  readonly #unsettled = new UnsettledEntries<SealedEntry>();
  /** The last write that `level` has. */
  #settled: number;
  /** True when #state holds a commit or a compaction that is not on the disk yet. */
  #isStale = false;
  #cleared = 0;
  readonly storage: MemoryLog;

  private constructor(parts: {
    readonly directory: string;
    readonly level: LogDatabase;
    readonly tail: Tail;
    readonly codec: RecordCodec;
    readonly settledWrites: number;
    readonly state: LogState | null;
    readonly entries: readonly LinkedEntry[];
  }) {
    this.#directory = parts.directory;
    this.#level = parts.level;
    this.#tail = parts.tail;
    this.#codec = parts.codec;
    this.#settledWrites = parts.settledWrites;
    this.#state = parts.state;
    this.#settled = parts.state?.sequence ?? 0;
    this.storage = new MemoryLog({
      hardState: hardStateOf(parts.state),
      compacted: parts.state?.compacted ?? { index: 0, term: 0, link: linkOfSnapshot(0, 0) },
      entries: parts.entries,
    });
  }

  /** Opens or creates the log of a directory that exists. Throws ClusterError `failed_precondition` when what was acknowledged is not there. */
  static async open(options: {
    readonly directory: string;
    readonly codec: RecordCodec;
    readonly openTail: TailOpener;
    readonly disk?: Disk;
    /** Writes that the tail file may be ahead of `level` before that gets them. */
    readonly settledWrites?: number;
  }): Promise<DurableLog> {
    const { directory, codec, openTail, disk = nodeDisk, settledWrites = SETTLED_WRITES } = options;
    let tail: Tail | null = null;
    let level: LogDatabase | null = null;
    try {
      tail = await openTail(join(directory, "tail"), { create: false });
      // A process that made it may have been killed before its name was durable.
      if (tail !== null) await disk.syncFolder(directory);
      const witness = tail === null ? null : await witnessOf(tail, { directory, codec });
      level = await openDatabase(disk, { directory, witness });
      if (tail === null && (await level.get(STATE_KEY)) === undefined) tail = await openTail(join(directory, "tail"), { create: true });
      const recovered = await recoverLog({ directory, records: level, witness, codec });
      const log = new DurableLog({
        directory,
        level,
        tail: defined(tail, "a log has a tail file"),
        codec,
        settledWrites,
        state: recovered?.state ?? null,
        entries: recovered?.entries ?? [],
      });
      if (recovered !== null) await log.#renewWitness(recovered.state, defined(witness, "a log that is not new has a witness"));
      await log.#clearRubbish();
      return log;
    } catch (cause) {
      await tail?.[Symbol.asyncDispose]();
      await level?.[Symbol.asyncDispose]();
      if (isClusterError(cause)) throw cause;
      throw unreadableLog({ directory, key: "tail", index: 0, what: messageOf(cause), cause });
    }
  }

  /** Null before `create`. */
  get state(): LogState | null {
    return this.#state;
  }

  /** The first write: who this member is, and where its log begins. */
  async create(origin: {
    readonly raftId: number;
    readonly hardState: HardState;
    readonly snapshot: SnapshotMeta | null;
    readonly seeds: readonly Member[];
  }): Promise<void> {
    assert(this.#state === null, "a log is created once");
    const { raftId, hardState, snapshot, seeds } = origin;
    const position = positionOf(snapshot);
    await this.#write(
      { sequence: 1, raftId, term: hardState.term, vote: hardState.vote, commit: hardState.commit, last: position, compacted: position, seeds },
      [],
    );
    // From the tail file alone, nobody could tell a member that lost it from a new one.
    await this.#settle();
    this.storage.reset(position);
    this.storage.setHardState(hardState);
  }

  /**
   * Makes the write durable and then readable through `storage`. Returns null, without waiting, when nothing of it must be durable: a commit
   * alone is written later.
   */
  append(write: LogWrite): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure;
    const state = defined(this.#state, "the log was created");
    const hardState = write.hardState ?? hardStateOf(state);
    if (write.mustSync) return this.#append(write, state, hardState);
    if (hardState.commit !== state.commit) {
      this.#state = { ...state, commit: hardState.commit };
      this.#isStale = true;
      this.storage.setHardState(hardState);
    }
    return null;
  }

  /** Forgets entries up to the index, which a durable snapshot covers; the disk follows with the next write. */
  compact(index: number): void {
    const state = defined(this.#state, "the log was created");
    if (index <= state.compacted.index) return;
    this.#state = { ...state, compacted: this.storage.compact(index) };
    this.#isStale = true;
  }

  /** Writes what may be written late (commit, compaction, what only the tail file has), and clears what is compacted. Not to be called while `append` is under way. */
  async flush(): Promise<void> {
    if (this.#state === null) return;
    await this.#settle();
    if (!this.#isStale) return;
    this.#isStale = false;
    const state = this.#state;
    await this.#guard(() => this.#level.put(STATE_KEY, sealedState(this.#codec, state).value));
    this.#clearCompacted(state);
  }

  /**
   * Writes some entries again, sealed with the codec's present key, from `index` on and up to `through`. Resolves with the index to go on with, null at the end. Not to be
   * called while `append` is under way.
   */
  async resealEntries(index: number, through: number): Promise<number | null> {
    const first = Math.max(index, this.storage.firstIndex());
    const end = Math.min(through, this.storage.lastIndex(), first + RESEALED_ENTRIES - 1) + 1;
    const entries = this.storage.entries(first, end, RESEALED_BYTES) ?? [];
    const records = entries.map((entry) => {
      const { link: before } = defined(this.storage.position(entry.index - 1), `the entry before ${entry.index} is in the log`);
      return sealedEntry(this.#codec, storedEntry(before, entry));
    });
    if (records.length === 0) return null;
    await this.#settling;
    // They say what they said before: it does not matter which of the two a crash leaves, nor that the tail does not know.
    await this.#guard(() => this.#level.write(records));
    return first + records.length;
  }

  /** The same for the state and what only the tail file has. */
  async resealState(): Promise<void> {
    await this.#settle();
    const state = defined(this.#state, "the log was created");
    await this.#write({ ...state, sequence: state.sequence + 1 }, []);
    await this.#settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush().catch(() => undefined); // #failure was told, or is of no matter any more: the tail file has everything.
    await this.#settling;
    await this.#clearing;
    await this.#tail[Symbol.asyncDispose]();
    await this.#level[Symbol.asyncDispose]();
  }

  async #append(write: LogWrite, state: LogState, hardState: HardState): Promise<void> {
    const origin = write.snapshot === null ? null : positionOf(write.snapshot);
    const linked = this.#link(write.entries, origin);
    const end = linked.at(-1);
    const last: LogPosition = end === undefined ? (origin ?? state.last) : { index: end.entry.index, term: end.entry.term, link: end.link };
    const next: LogState = {
      ...state,
      sequence: state.sequence + 1,
      term: hardState.term,
      vote: hardState.vote,
      commit: hardState.commit,
      last,
      compacted: origin ?? state.compacted,
      seeds: origin === null ? state.seeds : [],
    };
    await this.#write(next, linked);
    if (origin !== null) this.storage.reset(origin);
    this.storage.append(linked.map(({ entry, link }) => ({ entry, link })));
    this.storage.setHardState(hardState);
  }

  #link(entries: readonly Entry[], origin: LogPosition | null): readonly StoredEntry[] {
    const first = entries[0];
    if (first === undefined) return [];
    const before = origin?.index === first.index - 1 ? origin : this.storage.position(first.index - 1);
    let { link } = defined(before, `the entry before ${first.index} is in the log`);
    return entries.map((entry) => {
      const stored = storedEntry(link, entry);
      link = stored.link;
      return stored;
    });
  }

  async #write(next: LogState, entries: readonly StoredEntry[]): Promise<void> {
    await this.#guard(async () => {
      const record = this.#sealedTail({ state: next, entries });
      if (record.length > this.#tail.sealedBytesMax) return await this.#writeLarge(next, entries);
      const written = this.#writeTail(next.sequence, record);
      // While the disk has its turn: the seals of all that are settled at one time would hold up the write that comes then.
      const sealed = entries.map((entry) => ({ ...entry, record: sealedEntry(this.#codec, entry) }));
      await written;
      this.#unsettled.add(sealed);
    });
    this.#state = next;
    this.#isStale = false;
    if (next.sequence - this.#settled >= this.#settledWrites || this.#unsettled.bytes >= SETTLED_BYTES) this.#beginSettling();
  }

  async #writeTail(sequence: number, record: Uint8Array): Promise<void> {
    if (!this.#tail.hasRoomFor(record.length)) await this.#settle();
    await this.#tail.write(sequence, record);
  }

  /** What a record of the tail file cannot hold `level` has first, with all that was before, at the price of a second sync. */
  async #writeLarge(next: LogState, entries: readonly StoredEntry[]): Promise<void> {
    await this.#settle();
    await this.#level.write([...entries.map((entry) => sealedEntry(this.#codec, entry)), sealedState(this.#codec, next)]);
    await this.#tail.write(next.sequence, this.#sealedTail({ state: next, entries: null }));
    this.#hasSettled(next.sequence);
  }

  #sealedTail(body: TailBody): Uint8Array {
    return this.#codec.seal(tailPlace(body.state.sequence), encodeTailBody(body));
  }

  /** When it resolves, `level` has everything. */
  async #settle(): Promise<void> {
    while (this.#failure === null && (this.#settling !== null || (this.#state?.sequence ?? 0) > this.#settled)) {
      this.#beginSettling();
      await this.#settling;
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #beginSettling(): void {
    if (this.#settling !== null || this.#state === null) return;
    const state = this.#state;
    const entries = this.#unsettled.take(state.compacted.index);
    this.#isStale = false;
    // What was sealed before the key was rotated must not come after what was sealed anew.
    const records = entries.map((entry) => (this.#codec.isCurrent(entry.record.value) ? entry.record : sealedEntry(this.#codec, entry)));
    this.#settling = this.#guard(() => this.#level.write([...records, sealedState(this.#codec, state)]))
      .then(() => {
        this.#hasSettled(state.sequence);
        this.#clearCompacted(state);
      })
      .catch(() => {
        // #guard keeps the failure: the next write reports it.
      })
      .finally(() => {
        this.#settling = null;
      });
  }

  /** A disk that failed once is not trusted again: what it then says may be a lie (fsync drops the pages that it could not write). */
  async #guard(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      await write();
    } catch (cause) {
      this.#failure ??= new ClusterError(
        "internal",
        `the raft log in ${this.#directory} cannot be written: ${messageOf(cause)}; this member stops taking part until it is started again`,
        { cause },
      );
    }
    // Also one that was beside it: what LevelDB writes after a torn record is lost with it.
    if (this.#failure !== null) throw this.#failure;
  }

  #hasSettled(sequence: number): void {
    this.#settled = sequence;
    this.#tail.release(sequence);
  }

  /** Deletes compacted entries behind the back of writers; the state that forgets them is in `level` before. */
  #clearCompacted({ compacted: { index: through } }: LogState): void {
    if (through <= this.#cleared) return;
    this.#cleared = through;
    this.#clearing = this.#clearing
      .then(() => this.#guard(() => this.#level.clear({ gte: entryKey(0), lte: entryKey(through) })))
      .catch(() => {
        // #guard keeps the failure: the next write reports it.
      });
  }

  /** What was read may be in the machine's memory alone: the process before was killed in the middle of a write, or ended because a sync failed. `level` wrote what it has anew as it was opened. */
  async #renewWitness(state: LogState, { record }: Witness): Promise<void> {
    if (record !== null) this.#tail.resumeAfter(record);
    await this.#guard(() => this.#tail.write(state.sequence, this.#sealedTail({ state, entries: null })));
    this.#hasSettled(state.sequence);
  }

  async #clearRubbish(): Promise<void> {
    const clear = (gte: number, lte: number) => this.#guard(() => this.#level.clear({ gte: entryKey(gte), lte: entryKey(lte) }));
    await clear(0, this.storage.firstIndex() - 1);
    await clear(this.storage.lastIndex() + 1, Number.MAX_SAFE_INTEGER);
    this.#cleared = this.storage.firstIndex() - 1;
  }
}

/** Never makes a database anew where a tail file says that there was one: what is left of that one stays as it is. */
async function openDatabase(disk: Disk, { directory, witness }: { readonly directory: string; readonly witness: Witness | null }): Promise<LogDatabase> {
  const createIfMissing = (witness?.state ?? null) === null;
  try {
    return await disk.openDatabase(join(directory, "log"), { createIfMissing });
  } catch (cause) {
    const what = `the database cannot be opened: ${messageOf(cause)}`;
    const place = { directory, key: "log", index: witness?.state?.last.index ?? 0, what, cause };
    // LevelDB says the same for a disk that is full, one that fails, and a file that is gone. Only what it calls corrupt is lost for sure.
    const isCorrupt = cause instanceof Error && systemCodeOf(cause.cause) === "LEVEL_CORRUPTION";
    throw isCorrupt ? damagedLog(place) : unreadableLog(place);
  }
}

function hardStateOf(state: LogState | null): HardState {
  return { term: state?.term ?? 0, vote: state?.vote ?? 0, commit: state?.commit ?? 0 };
}

function positionOf(snapshot: SnapshotMeta | null): LogPosition {
  const { index, term } = snapshot ?? { index: 0, term: 0 };
  return { index, term, link: linkOfSnapshot(index, term) };
}
