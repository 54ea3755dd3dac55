import { deferred } from "../base/deferred.js";
import type { DurableLog } from "./durable-log.js";
import type { SnapshotFolder } from "./snapshot-folder.js";

/**
 * Seals everything that a member has on its disk with its codec's present key, while it runs: snapshots one by one, entries in portions between two writes, the
 * state and what only the tail file has last. When it resolves, no other key is needed any more; whenever it is cut short, by a crash too, all that was used
 * so far are, and it can begin again.
 */
export async function reseal(options: {
  readonly log: DurableLog;
  readonly folder: SnapshotFolder;
  /** Runs a job while the log is not being written. */
  readonly exclusively: (job: () => Promise<void>) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { log, folder, signal } = options;
  const between = async <T>(job: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    const done = deferred<T>();
    const stop = () => done.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    options.exclusively(() => job().then(done.resolve, done.reject));
    return await done.promise.finally(() => signal.removeEventListener("abort", stop));
  };
  await folder.reseal(signal);
  // A write that was under way, and had been sealed before, has ended then. What is appended from now on has the present key.
  const through = await between(() => Promise.resolve(log.storage.lastIndex()));
  let next: number | null = 0;
  while (next !== null) {
    const from: number = next;
    next = await between(() => log.resealEntries(from, through));
  }
  await between(() => log.resealState());
}
