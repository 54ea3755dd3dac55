import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import type { Entry, RaftMessage, SnapshotMeta } from "../raft/message.js";
import type { Raft } from "../raft/raft.js";
import type { Ready } from "../raft/ready.js";
import type { DurableLog, LogWrite } from "./durable-log.js";
import { nextTurn } from "../base/next-turn.js";

/** One tick of the core: the unit of its heartbeat and election timeouts. */
export const TICK_MS = 100;

/** Messages that may wait to be stepped; more are dropped, raft repeats them. */
const INBOX_MAX = 10_000;
/**
 * How long the followers may have to wait for the news that something is committed, for the next entries to take it along: a message of its own, with its
 * answer, costs as much as entries do. Nobody waits for it: a read that does is told at once.
 */
const COMMIT_NEWS_MS = 20;
/** Applying yields to the event loop after this long. */
const SLICE_MS = 10;

/** Whatever is hung on it runs at the end of what runs now, before the event loop goes on. */
const NOW = Promise.resolve();

/** What the driver asks of the replica. None of these waits, except `install`. */
export interface DriverHooks {
  send(messages: readonly RaftMessage[]): void;
  /** Something may be proposed now; `isWriting` says that it would wait for a write that is under way. */
  propose(isWriting: boolean): void;
  ticked(): void;
  /** The core was stepped: its role may be another. */
  turned(): void;
  /** Replaces the state by that of a received snapshot. */
  install(snapshot: SnapshotMeta): Promise<void>;
  apply(entry: Entry): void;
  /** Everything up to here is applied. */
  applied(index: number): void;
  readConfirmed(context: number, index: number): void;
}

/** What the driver needs of DurableLog. */
export interface DriverLog {
  append(write: LogWrite): Promise<void> | null;
  readonly storage: Pick<DurableLog["storage"], "setSnapshot">;
}

/**
 * Carries out what the core wants done, in the order that its README.md demands. Messages are stepped as they come, also while a
 * write is under way; all that wait are stepped before the next Ready, so that they share one write.
 */
export class Driver {
  readonly #raft: Raft;
  readonly #log: DriverLog;
  readonly #clock: Clock;
  readonly #hooks: DriverHooks;
  readonly #nextTurn: () => Promise<void>;
  readonly #failed: Deferred<never> = deferred<never>();
  readonly #jobs: (() => Promise<void>)[] = [];
  #inbox: RaftMessage[] = [];
  #isTickDue = false;
  #isCommitNewsDue = false;
  #cancelCommitNews: (() => void) | null = null;
  #isAwake = false;
  readonly #awake = () => {
    this.#isAwake = false;
    this.#turn();
  };
  /** False before `start`, after `stop`, and after a failure: nothing is stepped then. */
  #isRunning = false;
  /** The write cycle that is under way. */
  #cycle: Promise<void> | null = null;
  /** Ticks since it last got anywhere: mostly it waits for the disk. */
  #stalledTicks = 0;
  #cancelTick: () => void = () => undefined;

  constructor(options: {
    readonly raft: Raft;
    readonly log: DriverLog;
    readonly clock: Clock;
    readonly hooks: DriverHooks;
    /** Lets others have a turn between slices of applying. Default: the event loop. */
    readonly nextTurn?: () => Promise<void>;
  }) {
    this.#raft = options.raft;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#hooks = options.hooks;
    this.#nextTurn = options.nextTurn ?? nextTurn;
    this.#failed.promise.catch(() => undefined); // Whoever runs the replica awaits it; before that, nobody has to.
  }

  /** Rejects when the member cannot go on. */
  get failure(): Promise<never> {
    return this.#failed.promise;
  }

  start(): void {
    this.#isRunning = true;
    this.#scheduleTick();
    this.wake();
  }

  /** True while a write cycle is under way: at its end, `propose` is called without being asked for. */
  get isWriting(): boolean {
    return this.#cycle !== null;
  }

  deliver(messages: readonly RaftMessage[]): void {
    if (!this.#isRunning) return;
    for (const message of messages) if (this.#inbox.length < INBOX_MAX) this.#inbox.push(message);
    this.wake();
  }

  /** Runs a job between two writes. */
  exclusively(job: () => Promise<void>): void {
    this.#jobs.push(job);
    this.wake();
  }

  /** Takes a turn soon: several reasons within one turn of the event loop make one. */
  wake(): void {
    if (this.#isAwake || !this.#isRunning) return;
    this.#isAwake = true;
    // Not queueMicrotask, which makes an asynchronous resource of each call.
    void NOW.then(this.#awake);
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancelTimers();
    await this.#cycle;
  }

  #scheduleTick(): void {
    // Armed anew after each tick, so that a stalled process makes one tick, and not all that it missed.
    this.#cancelTick = this.#clock.after(TICK_MS, () => {
      this.#isTickDue = true;
      this.#scheduleTick();
      this.wake();
    });
  }

  #turn(): void {
    if (!this.#isRunning) return;
    try {
      this.#step(this.#cycle !== null);
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    if (this.#cycle === null && (this.#jobs.length > 0 || this.#raft.hasReady())) {
      this.#stalledTicks = 0;
      this.#cycle = this.#work()
        .catch((cause: unknown) => this.#fail(cause))
        .finally(() => {
          this.#cycle = null;
          this.wake();
        });
    }
  }

  #step(isWriting: boolean): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const message of inbox) this.#raft.step(message);
    if (this.#isTickDue) {
      this.#isTickDue = false;
      this.#raft.tick();
      if (isWriting) this.#raft.reportStalled(++this.#stalledTicks);
      this.#hooks.ticked();
    }
    this.#hooks.propose(isWriting);
    this.#mindCommitNews();
    this.#hooks.send(this.#raft.takeMessages());
    this.#hooks.turned();
  }

  /** What is proposed takes the news of what is committed along; when nothing is for a while, they go by themselves. */
  #mindCommitNews(): void {
    if (this.#isCommitNewsDue) this.#raft.tellCommit();
    this.#isCommitNewsDue = false;
    if (!this.#raft.hasCommitNews) {
      this.#cancelCommitNews?.();
      this.#cancelCommitNews = null;
    }
    if (!this.#raft.hasCommitNews || this.#cancelCommitNews !== null) return;
    this.#cancelCommitNews = this.#clock.after(COMMIT_NEWS_MS, () => {
      this.#cancelCommitNews = null;
      this.#isCommitNewsDue = true;
      this.wake();
    });
  }

  #cancelTimers(): void {
    this.#cancelTick();
    this.#cancelCommitNews?.();
    this.#cancelCommitNews = null;
  }

  async #work(): Promise<void> {
    for (;;) {
      // Also while one write follows the other without a pause: a snapshot must not wait for the end of a load.
      if (this.#jobs.length > 0) {
        for (const job of this.#jobs.splice(0)) {
          await job();
          this.#stalledTicks = 0;
        }
      }
      if (!this.#isRunning || !this.#raft.hasReady()) return;
      await this.#carryOut(this.#raft.ready());
      this.#step(false);
    }
  }

  async #carryOut(ready: Ready): Promise<void> {
    this.#hooks.send(ready.messages);
    const written = this.#log.append(ready);
    if (written !== null) await written;
    this.#stalledTicks = 0;
    if (ready.snapshot !== null) this.#log.storage.setSnapshot(ready.snapshot);
    this.#raft.persisted(ready);
    // What came meanwhile goes out before the rest is applied, and carries the news of what is committed.
    this.#hooks.propose(false);
    this.#mindCommitNews();
    this.#hooks.send([...ready.messagesAfterPersist, ...this.#raft.takeMessages()]);
    if (ready.snapshot !== null) await this.#hooks.install(ready.snapshot);
    await this.#apply(ready);
    for (const { context, index } of ready.readStates) this.#hooks.readConfirmed(context, index);
  }

  async #apply(ready: Ready): Promise<void> {
    let since = this.#clock.monotonic();
    for (const entry of ready.committed) {
      this.#hooks.apply(entry);
      // The next change of membership may be proposed at once.
      if (entry.type === "config_change") this.#raft.applied(entry.index);
      if (this.#clock.monotonic() - since < SLICE_MS) continue;
      await this.#nextTurn();
      this.#stalledTicks = 0;
      since = this.#clock.monotonic();
    }
    const index = ready.committed.at(-1)?.index ?? ready.snapshot?.index;
    if (index === undefined) return;
    this.#raft.applied(index);
    this.#hooks.applied(index);
  }

  #fail(cause: unknown): void {
    this.#isRunning = false;
    this.#cancelTimers();
    this.#failed.reject(cause);
  }
}
