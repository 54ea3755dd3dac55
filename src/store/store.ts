import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import type { ObjectKind, StoreObject, Transaction } from "../model/objects.js";
import { applyTransaction } from "./apply.js";
import { runBatch } from "./batch.js";
import { type AppliedChanges, ChangeHistory, type FollowOptions } from "./change-history.js";
import { type Pending, Pipeline } from "./pipeline.js";
import type { Proposer } from "./proposer.js";
import { Restoration } from "./restoration.js";
import { TablesView } from "./rows-view.js";
import { anyTable, newTables, OBJECT_KINDS, storedObject, type TableByKind } from "./schema.js";
import { TransactionBuilder } from "./transaction-builder.js";
import type { StoreEvent, StoreTransaction, StoreView } from "./view.js";

export type StoreListener = (events: readonly StoreEvent[]) => void;

/**
 * The objects of the cluster in memory. Readers and watchers see what is applied; transactions are built on the newest
 * proposed state. See README.md of this folder.
 */
export class Store {
  readonly #clock: Clock;
  readonly #tables: TableByKind = newTables();
  readonly #pipeline = new Pipeline(this.#tables);
  readonly #listeners = new Set<StoreListener>();
  readonly #history = new ChangeHistory();
  /** Callers of pending transactions. */
  readonly #waiting = new Map<Pending, Deferred<void>>();
  #proposer: Proposer | null = null;
  #revision = 0;
  #isWriting = false;
  /** The applied state. Read it within one turn of the event loop for a consistent picture. */
  readonly view: StoreView = new TablesView(this.#tables);

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Raft index of the last transaction that was applied or restored. */
  get revision(): number {
    return this.#revision;
  }

  /** Who commits what `update` writes; null refuses updates with `no_leader`. */
  setProposer(proposer: Proposer | null): void {
    this.#proposer = proposer;
  }

  /**
   * For writes that others ask for, before they begin: throws ClusterError `unavailable` when too much is not committed yet. The leader's own loops do not ask: they
   * wait for what they wrote, and a write of theirs that were refused would end the term.
   */
  assertRoom(): void {
    this.#proposer?.assertRoom();
  }

  /**
   * Runs a transaction on the newest proposed state, at once, and proposes what it wrote. Resolves when that is committed and
   * applied here; with nothing written, when all that it read is. Rejects with what the callback threw (nothing is proposed
   * then), or ClusterError `no_leader` (never proposed) or `outcome_unknown` (it may still commit).
   */
  update(write: (tx: StoreTransaction) => undefined): Promise<void> {
    try {
      return this.#begin(write);
    } catch (cause) {
      return Promise.reject(cause);
    }
  }

  /**
   * Carries out many small writes, in order, in as few transactions as their number and size allow: each is whole in one of them, all together are not. A write may
   * be run twice, and later than the call: it does nothing when what it rests on has changed. Settles when nothing is under way any more; rejects as `update`
   * does, and then what came after was not written.
   */
  batch<T>(items: readonly T[], write: (tx: StoreTransaction, item: T) => void): Promise<void> {
    return runBatch((each) => this.#begin(each), items, write);
  }

  /** Calls the listener synchronously after each applied transaction, until the returned function is called. */
  watch(listener: StoreListener): () => void {
    // A wrapper of its own, so that the same function may watch twice.
    const own: StoreListener = (events) => listener(events);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /**
   * Changes as they are applied, from now on or from an earlier revision of this or another member: a watch for those who are slow, or were away. What is read in
   * the turn of the call is the state that the changes begin from. Throws ClusterError `out_of_range` when the follower is too far behind: see ChangeHistory.
   */
  follow(options: FollowOptions): AsyncGenerator<AppliedChanges, void, undefined> {
    return this.#history.follow(options);
  }

  /** What `follow` has in store of the kinds, oldest first. */
  past(kinds: readonly ObjectKind[]): readonly AppliedChanges[] {
    return this.#history.past(kinds);
  }

  /**
   * For the replica: applies a committed transaction. Transactions of one log entry share its index and are to be applied in one
   * turn of the event loop. A transaction that came from `update` is recognised by the identity of its change list.
   */
  apply(index: number, transaction: Transaction): void {
    assert(index >= this.#revision, `transactions are applied in order (${index} after ${this.#revision})`);
    const own = this.#pipeline.headIs(transaction);
    this.#revision = index;
    const events = applyTransaction(this.#tables, index, transaction);
    if (own !== undefined) this.#pipeline.settle(own);
    this.#history.record({ revision: index, atMs: transaction.atMs, events });
    this.#notify(events);
  }

  /** For the replica: replaces the whole state by that of a snapshot. Watchers see the difference as one list of events. */
  restore(objects: Iterable<StoreObject>, index: number): void {
    const restoration = this.startRestore();
    for (const object of objects) restoration.add(object);
    restoration.finish(index);
  }

  /** The same as `restore`, with the objects given one by one over many turns; nothing is visible before `finish`. */
  startRestore(): Restoration {
    return new Restoration({
      tables: this.#tables,
      revision: () => this.#revision,
      done: (events, index) => {
        this.#revision = index;
        this.#history.reset(index);
        this.#notify(events);
      },
    });
  }

  /** All objects as of now: later changes do not touch what the iterable yields, however long it takes. */
  objects(): Iterable<StoreObject> {
    // Objects are immutable, so references are enough; copying 100,000 of them takes about a millisecond.
    const copies = OBJECT_KINDS.map((kind) => ({ kind, objects: [...anyTable(this.#tables, kind).all()] }));
    return (function* () {
      for (const { kind, objects } of copies) for (const object of objects) yield storedObject(kind, object);
    })();
  }

  /** As `update`, but what keeps it from being proposed is thrown. */
  #begin(write: (tx: StoreTransaction) => undefined): Promise<void> {
    const proposer = this.#proposer;
    if (proposer === null) throw new ClusterError("no_leader", "this manager is not the leader");
    const atMs = this.#clock.now();
    const builder = this.#build(write, atMs);
    const changes = builder.finish();
    return changes.length === 0 ? this.#readCommitted() : this.#propose(proposer, { proposalId: 0, atMs, changes }, builder);
  }

  #build(write: (tx: StoreTransaction) => undefined, atMs: number): TransactionBuilder {
    assert(!this.#isWriting, "a transaction does not start another one");
    const builder = new TransactionBuilder(this.#pipeline.rows, atMs);
    this.#isWriting = true;
    try {
      write(builder);
    } finally {
      this.#isWriting = false;
    }
    return builder;
  }

  #readCommitted(): Promise<void> {
    const last = this.#pipeline.last;
    return (last === undefined ? undefined : this.#waiting.get(last)?.promise) ?? Promise.resolve();
  }

  #propose(proposer: Proposer, transaction: Transaction, builder: TransactionBuilder): Promise<void> {
    // Throws when it refuses: then nothing was built on this transaction yet.
    const proposed = proposer.propose(transaction);
    const pending = this.#pipeline.push(transaction, builder);
    const waiting = deferred<void>();
    this.#waiting.set(pending, waiting);
    proposed.then(
      () => this.#succeed(pending),
      (cause: unknown) => this.#fail(pending, cause),
    );
    return waiting.promise;
  }

  #succeed(pending: Pending): void {
    this.#pipeline.settle(pending);
    this.#forget(pending)?.resolve();
  }

  /** Later transactions were built on the one that failed: they share its outcome. */
  #fail(pending: Pending, cause: unknown): void {
    for (const dropped of this.#pipeline.drop(pending)) this.#forget(dropped)?.reject(cause);
    this.#forget(pending)?.reject(cause);
  }

  #forget(pending: Pending): Deferred<void> | undefined {
    const waiting = this.#waiting.get(pending);
    this.#waiting.delete(pending);
    return waiting;
  }

  #notify(events: readonly StoreEvent[]): void {
    if (events.length === 0) return;
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener(events);
  }
}
