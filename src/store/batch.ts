import { TransactionRoom } from "./transaction-room.js";
import type { StoreTransaction } from "./view.js";

/** Transactions that are proposed before the first of them is waited for: some 11 MB at most. */
const UNDER_WAY_MAX = 8;

/** Throws what keeps it from proposing. */
type Update = (write: (tx: StoreTransaction) => undefined) => Promise<void>;

/** See Store.batch. */
export async function runBatch<T>(update: Update, items: readonly T[], write: (tx: StoreTransaction, item: T) => void): Promise<void> {
  const underWay: Promise<void>[] = [];
  let isLost = false;
  try {
    for (let from = 0; from < items.length && !isLost; ) {
      const { to, written } = writeSome(update, { items, from, to: items.length }, write);
      // Waited for in its turn, when it may have failed long ago.
      written.catch(() => {
        isLost = true;
      });
      underWay.push(written);
      from = to;
      if (underWay.length >= UNDER_WAY_MAX) await underWay.shift();
    }
    while (underWay.length > 0) await underWay.shift();
  } finally {
    await Promise.allSettled(underWay);
  }
}

interface Range<T> {
  readonly items: readonly T[];
  readonly from: number;
  readonly to: number;
}

/** One transaction, with as many of the items as have room in it: from where to go on, and when it is committed. */
function writeSome<T>(
  update: Update,
  { items, from, to }: Range<T>,
  write: (tx: StoreTransaction, item: T) => void,
): { readonly to: number; readonly written: Promise<void> } {
  let at = from;
  let isOverfull = false;
  try {
    const written = update((tx) => {
      const room = new TransactionRoom();
      for (; at < to && !room.isFull; at++) {
        const before = tx.changes.length;
        write(tx, items[at] as T);
        isOverfull = !room.take(tx.changes.slice(before));
        if (isOverfull) throw new Error("the transaction is too large by its last write");
      }
    });
    return { to: at, written };
  } catch (cause) {
    // Nothing was proposed: again without the write that has no room, or no further, since writes keep their order.
    return isOverfull ? writeSome(update, { items, from, to: at }, write) : { to: items.length, written: Promise.reject(cause) };
  }
}
