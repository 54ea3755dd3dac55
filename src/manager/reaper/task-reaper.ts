import type { Clock } from "../../base/clock.js";
import type { Task } from "../../model/objects.js";
import { slotKey } from "../../model/slot.js";
import type { Store } from "../../store/store.js";
import type { StoreEvent, StoreTransaction } from "../../store/view.js";
import { PassLoop } from "../pass-loop.js";
import { isRemovable, surplusHistory } from "./plan-reap.js";

/** Tasks that end together are deleted together. */
const BATCH_MS = 250;
const TRANSACTION_CHANGES_MAX = 200;

/** The leader's loop that deletes tasks: removed ones once they have stopped, and history beyond the limit of each slot. */
export class TaskReaper {
  readonly #store: Store;
  readonly #clock: Clock;
  /** Ids of tasks that may be removable. */
  readonly #tasks = new Set<string>();
  /** Keys of slots that may have too much history. */
  readonly #slots = new Set<string>();
  readonly #loop = new PassLoop();

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. Run it once. */
  async run(signal: AbortSignal): Promise<void> {
    const stopWatching = this.#store.watch((events) => this.#onEvents(events));
    this.#markEverything();
    try {
      await this.#loop.run(() => this.#pass(signal), signal);
    } finally {
      stopWatching();
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    if (this.#isIdle()) return;
    await this.#clock.sleep(BATCH_MS, signal);
    while (!signal.aborted && !this.#isIdle()) await this.#store.update((tx) => this.#reap(tx));
  }

  #isIdle(): boolean {
    return this.#tasks.size === 0 && this.#slots.size === 0;
  }

  /** One transaction; what does not fit stays marked. */
  #reap(tx: StoreTransaction): undefined {
    let deleted = 0;
    for (const id of this.#tasks) {
      if (deleted >= TRANSACTION_CHANGES_MAX) return;
      this.#tasks.delete(id);
      const task = tx.tasks.get(id);
      if (task === undefined || !isRemovable(tx, task)) continue;
      tx.remove("task", id);
      deleted++;
    }
    for (const key of this.#slots) {
      const room = TRANSACTION_CHANGES_MAX - deleted;
      if (room <= 0) return;
      const surplus = surplusHistory(tx, key);
      if (surplus.length <= room) this.#slots.delete(key);
      for (const { id } of surplus.slice(0, room)) {
        tx.remove("task", id);
        deleted++;
      }
    }
  }

  #mark(task: Task): void {
    if (task.desiredState === "remove" || task.serviceId === "") this.#tasks.add(task.id);
    else this.#slots.add(slotKey(task));
    this.#loop.ask();
  }

  #markEverything(): void {
    for (const task of this.#store.view.tasks.all()) this.#mark(task);
  }

  #onEvents(events: readonly StoreEvent[]): void {
    for (const event of events) {
      if (event.kind === "task" && event.action !== "remove") this.#mark(event.object);
      else if (event.kind === "node" && event.action === "remove") for (const task of this.#store.view.tasks.byNode(event.object.id)) this.#mark(task);
      else if (event.kind === "cluster" && event.object.spec?.taskHistoryRetentionLimit !== event.previous?.spec?.taskHistoryRetentionLimit)
        this.#markEverything();
    }
  }
}
