import type { Clock } from "../../base/clock.js";
import { newId } from "../../base/ids.js";
import type { Node, Task } from "../../model/objects.js";
import type { Store } from "../../store/store.js";
import { TransactionRoom } from "../../store/transaction-room.js";
import type { StoreEvent, StoreTransaction } from "../../store/view.js";
import { PassLoop } from "../pass-loop.js";
import { planRemovedService, planService, type ServicePlan } from "./plan-service.js";
import type { ChangeGroup, DraftChange } from "./service-draft.js";
import { stateOf } from "./slot.js";
import { TaskTimes } from "./task-times.js";

/** Services whose transactions are proposed before any is waited for. */
const SERVICES_PER_PASS_MAX = 64;

/**
 * The leader's loop that decides which tasks exist: replicas, global tasks, restarts and rolling updates. An event in the store says
 * which service to look at; what to do follows from the store alone, so that a new leader's loop goes on where the last one ended.
 */
export class Orchestrator {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #times: TaskTimes;
  readonly #dirty = new Set<string>();
  /** Cancels the timer of a service. */
  readonly #timers = new Map<string, () => void>();
  readonly #loop = new PassLoop();

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#times = new TaskTimes(options.clock);
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. Run it once. */
  async run(signal: AbortSignal): Promise<void> {
    const stopWatching = this.#store.watch((events) => this.#onEvents(events));
    this.#markEverything();
    try {
      await this.#loop.run(() => this.#pass(), signal);
    } finally {
      stopWatching();
      for (const cancel of this.#timers.values()) cancel();
    }
  }

  async #pass(): Promise<void> {
    const serviceIds = [...this.#dirty].slice(0, SERVICES_PER_PASS_MAX);
    for (const serviceId of serviceIds) this.#dirty.delete(serviceId);
    if (this.#dirty.size > 0) this.#loop.ask();
    await Promise.all(serviceIds.map((serviceId) => this.#reconcile(serviceId)));
  }

  async #reconcile(serviceId: string): Promise<void> {
    this.#timers.get(serviceId)?.();
    this.#timers.delete(serviceId);
    let plan: ServicePlan = { groups: [], wakeInMs: undefined };
    let parts: readonly ChangeGroup[] = [];
    const written = [
      this.#store.update((tx) => {
        plan = this.#plan(tx, serviceId);
        parts = firstParts(plan.groups);
        write(tx, parts[0] ?? []);
      }),
    ];
    // In the same turn, so that nothing comes between what makes sense only together.
    for (const part of parts.slice(1)) written.push(this.#store.update((tx) => write(tx, part)));
    const isWhole = parts.flat().length === plan.groups.flat().length;
    if (!isWhole) this.#mark(serviceId);
    else if (plan.wakeInMs !== undefined) this.#wakeIn(serviceId, plan.wakeInMs);
    await Promise.all(written);
  }

  #plan(tx: StoreTransaction, serviceId: string): ServicePlan {
    const service = tx.services.get(serviceId);
    const tasks = tx.tasks.byService(serviceId);
    if (service === undefined) return planRemovedService(tasks);
    return planService({ service, tasks, nodes: tx.nodes, ages: this.#times, nowMs: this.#clock.now(), newTaskId: newId });
  }

  #wakeIn(serviceId: string, delayMs: number): void {
    const cancel = this.#clock.after(Math.ceil(delayMs), () => {
      this.#timers.delete(serviceId);
      this.#mark(serviceId);
    });
    this.#timers.set(serviceId, cancel);
  }

  #mark(serviceId: string): void {
    if (serviceId === "") return;
    this.#dirty.add(serviceId);
    this.#loop.ask();
  }

  #markEverything(): void {
    for (const service of this.#store.view.services.all()) this.#mark(service.id);
    for (const task of this.#store.view.tasks.all()) {
      this.#times.observe(task);
      this.#mark(task.serviceId);
    }
  }

  #onEvents(events: readonly StoreEvent[]): void {
    for (const event of events) {
      if (event.kind === "service") this.#mark(event.object.id);
      else if (event.kind === "task") this.#onTask(event.action, event.object, event.previous);
      else if (event.kind === "node") this.#onNode(event.object, event.previous, event.action);
    }
  }

  #onTask(action: StoreEvent["action"], task: Task, previous: Task | undefined): void {
    if (action === "remove") this.#times.forget(task.id);
    else this.#times.observe(task);
    const isSame = previous !== undefined && action === "update" && isSameToUs(task, previous);
    if (!isSame) this.#mark(task.serviceId);
  }

  /** A node's news concern the services with tasks on it, and every global one. */
  #onNode(node: Node, previous: Node | undefined, action: StoreEvent["action"]): void {
    if (action === "update" && previous !== undefined && isSameNode(node, previous)) return;
    for (const task of this.#store.view.tasks.byNode(node.id)) this.#mark(task.serviceId);
    for (const service of this.#store.view.services.all()) if (service.spec?.mode?.type === "global") this.#mark(service.id);
  }
}

function isSameToUs(task: Task, previous: Task): boolean {
  return stateOf(task) === stateOf(previous) && task.desiredState === previous.desiredState && task.nodeId === previous.nodeId && task.spec === previous.spec;
}

function isSameNode(node: Node, previous: Node): boolean {
  const isSameState = node.status?.state === previous.status?.state && node.status?.address === previous.status?.address;
  return isSameState && node.spec === previous.spec && node.description === previous.description && node.role === previous.role;
}

/** What is written now, a transaction each: as many whole groups as fit into one, or the first alone where it has no room in one. */
function firstParts(groups: readonly ChangeGroup[]): readonly ChangeGroup[] {
  const parts = partsOf(groups[0] ?? []);
  if (parts.length > 1) return parts;
  const room = new TransactionRoom();
  const end = groups.findIndex((group) => !room.take(group));
  return [groups.slice(0, end === -1 ? groups.length : end).flat()];
}

function partsOf(group: ChangeGroup): readonly ChangeGroup[] {
  const parts: DraftChange[][] = [];
  let room = new TransactionRoom();
  for (const change of group) {
    if (parts.length === 0 || !room.take([change])) {
      parts.push([]);
      room = new TransactionRoom();
      room.take([change]);
    }
    parts.at(-1)?.push(change);
  }
  return parts;
}

function write(tx: StoreTransaction, changes: ChangeGroup): undefined {
  for (const change of changes) {
    if (change.type === "create") tx.create("task", change.task);
    else if (change.type === "update") tx.update("task", change.task);
    else if (change.type === "remove") tx.remove("task", change.taskId);
    else tx.update("service", change.service, { isClientWrite: change.isClientWrite });
  }
}
