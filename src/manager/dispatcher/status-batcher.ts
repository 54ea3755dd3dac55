import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../base/clock.js";
import { type Deferred, deferred } from "../../base/deferred.js";
import type { TaskStatus } from "../../model/objects.js";
import { isBefore } from "../../model/task-state.js";
import type { Store } from "../../store/store.js";
import type { StoreTransaction } from "../../store/view.js";
import { nextTurn } from "../../base/next-turn.js";

interface Report {
  readonly nodeId: string;
  readonly status: TaskStatus;
}

/**
 * Writes what nodes report of their tasks: the first report at once, and everything that comes while a write is under way in the next
 * one. Of several reports on one task the furthest counts.
 */
export class StatusBatcher {
  readonly #store: Store;
  readonly #clock: Clock;
  #reports = new Map<string, Report>();
  #written: Deferred<void> | null = null;
  #isWriting = false;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Resolves once what was reported is committed, or needs no write. Rejects as Store.update does. The caller has checked the owner. */
  report(nodeId: string, updates: readonly { readonly taskId: string; readonly status: TaskStatus }[]): Promise<void> {
    if (updates.length === 0) return Promise.resolve();
    for (const { taskId, status } of updates) {
      const earlier = this.#reports.get(taskId);
      if (earlier === undefined || !isBefore(status.state, earlier.status.state)) this.#reports.set(taskId, { nodeId, status });
    }
    this.#written ??= deferred();
    const { promise } = this.#written;
    if (!this.#isWriting) void this.#writeAll();
    return promise;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#written !== null) {
      await nextTurn();
      const written: Deferred<void> = this.#written;
      const reports = [...this.#reports];
      this.#written = null;
      this.#reports = new Map();
      const nowMs = this.#clock.now();
      await this.#store.batch(reports, (tx, [taskId, report]) => apply(tx, taskId, report, nowMs)).then(() => written.resolve(), written.reject);
    }
    this.#isWriting = false;
  }
}

/** A task's state never goes back; what the store knows already is not written again (nodes report everything anew after they reconnect). */
function apply(tx: StoreTransaction, taskId: string, { nodeId, status }: Report, nowMs: number): void {
  const task = tx.tasks.get(taskId);
  if (task === undefined || task.nodeId !== nodeId) return;
  const current = task.status;
  if (current !== null && isBefore(status.state, current.state)) return;
  // A node that was killed before it had written that a container runs finds that out later, and names a later time.
  const since = current?.state === status.state ? current : { timestampMs: status.timestampMs, appliedAtMs: nowMs };
  const next: TaskStatus = { ...status, timestampMs: since.timestampMs, appliedBy: nodeId, appliedAtMs: since.appliedAtMs };
  if (current !== null && isDeepStrictEqual({ ...current, appliedBy: nodeId }, next)) return;
  tx.update("task", { ...task, status: next });
}
