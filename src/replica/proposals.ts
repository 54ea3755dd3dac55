import { assert } from "../base/assert.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import type { Transaction } from "../model/objects.js";
import { ChangeBatchCodec } from "../wire/generated/objects.js";

/** No entry is larger: transactions are combined up to this size, and a larger one is refused. */
export const ENTRY_BYTES_MAX = 1_500_000;
/** A client writes less: what the leader itself adds to an object later must not be what no longer fits. */
const CLIENT_WRITE_BYTES_MAX = 1_400_000;
/** Transactions that may wait to be proposed before others are asked to come again. */
const WAITING_MAX = 100_000;
/** Encoded transactions that are not applied yet: without a quorum nothing commits, and memory must not grow for as long as that lasts. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

interface Proposal {
  readonly transaction: Transaction;
  readonly bytes: Uint8Array;
  readonly done: Deferred<void>;
}

/** The transactions of one entry, in order, and their callers. */
export type ProposalBatch = readonly Proposal[];

/**
 * Transactions on their way: first they wait, then they are in entries of the log. An entry of ours is recognised by the identity of
 * its data, which the log keeps: so the leader applies the objects it proposed without decoding them.
 */
export class Proposals {
  #waiting: Proposal[] = [];
  readonly #underWay = new Map<Uint8Array, ProposalBatch>();
  /** Of all that wait or are under way. */
  #pendingBytes = 0;

  /** Throws ClusterError `unavailable` when too many wait, or too much is not committed yet. */
  assertRoom(): void {
    if (this.#waiting.length >= WAITING_MAX) throw new ClusterError("unavailable", `${WAITING_MAX} writes are waiting`);
    if (this.#pendingBytes < PENDING_BYTES_MAX) return;
    throw new ClusterError("unavailable", `${this.#pendingBytes} bytes of writes are not committed yet, and more are too many`);
  }

  /** Throws ClusterError `out_of_range` for a transaction that has no room in an entry. */
  add(transaction: Transaction): Promise<void> {
    const bytes = ChangeBatchCodec.encode({ transactions: [transaction] });
    const bytesMax = transaction.changes.some(({ clientWrite }) => clientWrite) ? CLIENT_WRITE_BYTES_MAX : ENTRY_BYTES_MAX;
    if (bytes.length > bytesMax) throw new ClusterError("out_of_range", `a write of ${bytes.length} bytes is larger than the limit of ${bytesMax} bytes`);
    const done = deferred<void>();
    this.#pendingBytes += bytes.length;
    this.#waiting.push({ transaction, bytes, done });
    return done.promise;
  }

  /** Proposes all that wait, in as few entries as their size allows. What `propose` throws is the outcome of all that are left. */
  flush(propose: (data: readonly Uint8Array[]) => void): void {
    if (this.#waiting.length === 0) return;
    const batches = batchesOf(this.#waiting);
    this.#waiting = [];
    const data = batches.map(dataOf);
    try {
      propose(data);
    } catch (cause) {
      for (const batch of batches) {
        this.#pendingBytes -= bytesOf(batch);
        for (const { done } of batch) done.reject(cause);
      }
      return;
    }
    batches.forEach((batch, at) => {
      const bytes = data[at];
      assert(bytes !== undefined, "each batch has its data");
      this.#underWay.set(bytes, batch);
    });
  }

  /** The batch behind an entry that is being applied; undefined when the entry is another member's, or its callers were told already. */
  take(data: Uint8Array): ProposalBatch | undefined {
    const batch = this.#underWay.get(data);
    this.#underWay.delete(data);
    if (batch !== undefined) this.#pendingBytes -= bytesOf(batch);
    return batch;
  }

  /** Settles when nothing waits or is under way. */
  async drained(): Promise<void> {
    const all = [...this.#underWay.values()].flat().concat(this.#waiting);
    await Promise.allSettled(all.map(({ done }) => done.promise));
  }

  /** Leadership is lost: what is in the log may still commit, what waits was never proposed. */
  lose(): void {
    const underWay = [...this.#underWay.values()].flat();
    const waiting = this.#waiting;
    this.#underWay.clear();
    this.#waiting = [];
    this.#pendingBytes = 0;
    for (const { done } of underWay) done.reject(new ClusterError("outcome_unknown", "leadership was lost before the write was committed"));
    for (const { done } of waiting) done.reject(new ClusterError("no_leader", "leadership was lost before the write was proposed"));
  }
}

function batchesOf(waiting: readonly Proposal[]): readonly ProposalBatch[] {
  const batches: Proposal[][] = [];
  let bytes = 0;
  for (const proposal of waiting) {
    const batch = batches.at(-1);
    bytes += proposal.bytes.length;
    if (batch !== undefined && bytes <= ENTRY_BYTES_MAX) {
      batch.push(proposal);
    } else {
      batches.push([proposal]);
      bytes = proposal.bytes.length;
    }
  }
  return batches;
}

function bytesOf(batch: ProposalBatch): number {
  return batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/**
 * Encoded messages put one after the other are the encoded message with the lists of all (protobuf's merge rule). In memory of its own: what the log keeps
 * for long must not hold on to one of the blocks that all short-lived buffers share.
 */
function dataOf(batch: ProposalBatch): Uint8Array {
  const data = Buffer.allocUnsafeSlow(bytesOf(batch));
  let at = 0;
  for (const { bytes } of batch) {
    data.set(bytes, at);
    at += bytes.length;
  }
  return data;
}
