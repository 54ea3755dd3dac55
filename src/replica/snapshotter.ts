import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { RaftConfig } from "../model/objects.js";
import type { SnapshotMeta } from "../raft/message.js";
import type { DurableLog } from "./durable-log.js";
import type { SnapshotFolder } from "./snapshot-folder.js";

const DEFAULTS = { snapshotInterval: 10_000, logEntriesForSlowFollowers: 500, keepOldSnapshots: 0 };

/** A log with more data than this is due for a snapshot whatever its length: all of it is in memory. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
/** Data kept for slow followers at most. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Entries kept at most for followers that answer and do not have them yet. */
const AWAITED_ENTRIES_MAX = 10_000;

/** What there is to be put into a snapshot: StateMachine. */
export interface SnapshotSource {
  /** Writes a snapshot of the state as of this call. Resolves with its place when it is durable. */
  snapshot(signal: AbortSignal): Promise<SnapshotMeta>;
}

/** Writes a snapshot whenever so many entries are applied, then forgets the entries that it covers, but for some that slow followers may need. */
export class Snapshotter {
  readonly #machine: SnapshotSource;
  readonly #log: DurableLog;
  readonly #folder: SnapshotFolder;
  readonly #logger: Logger;
  readonly #config: () => RaftConfig | null;
  readonly #phase: () => number;
  readonly #expectedOfAll: () => number;
  readonly #exclusively: (job: () => Promise<void>) => void;
  readonly #stopping = new AbortController();
  #underWay: Promise<void> | null = null;
  /** After a failure: not before this index. */
  #notBefore = 0;

  constructor(options: {
    readonly machine: SnapshotSource;
    readonly log: DurableLog;
    readonly folder: SnapshotFolder;
    readonly logger: Logger;
    readonly config: () => RaftConfig | null;
    /** From 0 to below 1, of the interval: members with different ones do not write theirs at the same time. */
    readonly phase: () => number;
    /**
     * Raft.expectedOfAll. What comes after it is kept: a follower that is sent a snapshot would need the next one when it has it, and never catch up while snapshots are
     * written faster than they travel.
     */
    readonly expectedOfAll: () => number;
    /** Runs a job while the log is not being written. */
    readonly exclusively: (job: () => Promise<void>) => void;
  }) {
    this.#machine = options.machine;
    this.#log = options.log;
    this.#folder = options.folder;
    this.#logger = options.logger;
    this.#config = options.config;
    this.#phase = options.phase;
    this.#expectedOfAll = options.expectedOfAll;
    this.#exclusively = options.exclusively;
  }

  /** Starts a snapshot when one is due. */
  applied(index: number): void {
    const interval = this.#config()?.snapshotInterval || DEFAULTS.snapshotInterval;
    const last = this.#log.storage.snapshot()?.index ?? 0;
    const turn = (at: number) => Math.floor((at - Math.round(this.#phase() * interval)) / interval);
    const isDue = turn(index) > turn(last) || (this.#log.storage.dataBytes > LOG_BYTES_MAX && index > last);
    if (!isDue || this.#underWay !== null || index < this.#notBefore) return;
    this.#underWay = this.#snapshot()
      .catch((cause: unknown) => {
        if (this.#stopping.signal.aborted) return;
        this.#notBefore = index + Math.ceil(interval / 10);
        this.#logger.error({ err: cause, index }, `no snapshot could be written: ${messageOf(cause)}`);
      })
      .finally(() => {
        this.#underWay = null;
      });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#underWay;
  }

  async #snapshot(): Promise<void> {
    const meta = await this.#machine.snapshot(this.#stopping.signal);
    const { signal } = this.#stopping;
    let stop: () => void = () => undefined;
    const adopted = new Promise<void>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      signal.throwIfAborted();
      this.#exclusively(() => this.#adopt(meta).then(resolve, reject));
    });
    await adopted.finally(() => signal.removeEventListener("abort", stop));
  }

  async #adopt(meta: SnapshotMeta): Promise<void> {
    // A snapshot received meanwhile is newer.
    if ((this.#log.storage.snapshot()?.index ?? 0) >= meta.index) return;
    const config = this.#config() ?? DEFAULTS;
    this.#log.storage.setSnapshot(meta);
    const keep = {
      entries: config.logEntriesForSlowFollowers,
      bytes: KEPT_BYTES_MAX,
      after: Math.max(this.#expectedOfAll(), meta.index - AWAITED_ENTRIES_MAX),
    };
    this.#log.compact(this.#log.storage.compactionBefore(meta.index, keep));
    await this.#log.flush();
    await this.#folder.retain(meta, config.keepOldSnapshots);
  }
}
