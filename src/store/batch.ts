import { TransactionRoom } from "./transaction-room.js";
import type { StoreTransaction } from "./view.js";

/** Transactions that are proposed before the first of them is waited for: some 11 MB at most. */
const UNDER_WAY_MAX = 8;

type Update = (write: (tx: StoreTransaction) => undefined) => Promise<void>;

/** See Store.batch. */
export async function runBatch<T>(update: Update, items: readonly T[], write: (tx: StoreTransaction, item: T) => void): Promise<void> {
  const underWay: Promise<void>[] = [];
  try {
    for (let from = 0; from < items.length; ) {
      if (underWay.length >= UNDER_WAY_MAX) await underWay.shift();
      const { to, written } = writeSome(update, { items, from, to: items.length }, write);
      written.catch(() => undefined); // Waited for in its turn, when it may have failed long ago.
      underWay.push(written);
      from = to;
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

/** One transaction, with as many of the items as have room in it: how far it came, and when it is committed. */
function writeSome<T>(update: Update, { items, from, to }: Range<T>, write: (tx: StoreTransaction, item: T) => void) {
  let at = from;
  let isOverfull = false;
  const written = update((tx) => {
    const room = new TransactionRoom();
    for (; at < to && !room.isFull; at++) {
      const before = tx.changes.length;
      write(tx, items[at] as T);
      isOverfull = !room.take(tx.changes.slice(before));
      if (isOverfull) throw new Error("the transaction is too large by its last write");
    }
  });
  if (!isOverfull) return { to: at, written };
  // The callback threw, so nothing was proposed: again, without the write that has no room.
  written.catch(() => undefined);
  return writeSome(update, { items, from, to: at }, write);
}
