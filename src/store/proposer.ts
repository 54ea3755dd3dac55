import type { Transaction } from "../model/objects.js";

/**
 * Commits transactions: the leader's replica, or a fake. Throws at once, with nothing proposed, ClusterError `out_of_range` for a transaction that is too large.
 * Resolves once the transaction is committed *and* applied to the local store, never before it returned; rejects with ClusterError `no_leader` (never proposed) or `outcome_unknown` (proposed, may still commit).
 * Transactions are applied in the order of the calls, or, after the first that fails, not at all.
 */
export interface Proposer {
  propose(transaction: Transaction): Promise<void>;
  /** Throws ClusterError `unavailable` when so much waits that whoever can come again later shall. */
  assertRoom(): void;
}
