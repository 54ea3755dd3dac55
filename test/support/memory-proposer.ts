import { ClusterError } from "../../src/base/errors.js";
import type { Transaction } from "../../src/model/objects.js";
import type { Proposer } from "../../src/store/proposer.js";
import type { Store } from "../../src/store/store.js";

/**
 * Commits each transaction at once, as a cluster of one member with a very fast disk: index + 1 per transaction, applied in a
 * later microtask. `hold()` keeps what is proposed pending until `release()` or `fail()`.
 */
export class MemoryProposer implements Proposer {
  readonly #store: Store;
  readonly #held: { readonly transaction: Transaction; readonly settle: (cause?: ClusterError) => void }[] = [];
  #isHolding = false;
  /** Whoever asks before writing is to come again later. */
  isFull = false;
  /** Everything that was committed, oldest first. */
  readonly committed: Transaction[] = [];

  /** Makes itself the proposer of the store. */
  constructor(store: Store) {
    this.#store = store;
    store.setProposer(this);
  }

  /** Number of transactions that wait. */
  get pending(): number {
    return this.#held.length;
  }

  async propose(transaction: Transaction): Promise<void> {
    await (this.#isHolding ? this.#hold(transaction) : undefined);
    this.committed.push(transaction);
    this.#store.apply(this.#store.revision + 1, transaction);
  }

  assertRoom(): void {
    if (this.isFull) throw new ClusterError("unavailable", "too much is not committed yet");
  }

  hold(): void {
    this.#isHolding = true;
  }

  /** Commits the oldest `count` that wait; without a count, all, and stops holding. */
  async release(count?: number): Promise<void> {
    if (count === undefined) this.#isHolding = false;
    for (const { settle } of this.#held.splice(0, count ?? this.#held.length)) settle();
    await turn();
  }

  /** Fails all that wait, as the loss of leadership does, and stops holding. */
  async fail(cause = new ClusterError("outcome_unknown", "leadership was lost")): Promise<void> {
    this.#isHolding = false;
    for (const { settle } of this.#held.splice(0)) settle(cause);
    await turn();
  }

  #hold(transaction: Transaction): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#held.push({ transaction, settle: (cause) => (cause === undefined ? resolve() : reject(cause)) });
    });
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
