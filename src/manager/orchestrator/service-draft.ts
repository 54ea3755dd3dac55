import { isTaskDirty } from "../../model/dirty.js";
import type { Node, Service, Task, TaskState } from "../../model/objects.js";
import { newTask } from "./new-task.js";
import { isEnded, isLive, Slot, stateOf } from "./slot.js";
import type { TaskAges } from "./task-times.js";

export type DraftChange =
  | { readonly type: "create"; readonly task: Task }
  | { readonly type: "update"; readonly task: Task }
  | { readonly type: "remove"; readonly taskId: string }
  | { readonly type: "service"; readonly service: Service; readonly isClientWrite: boolean };

/** Changes that make sense only together. */
export type ChangeGroup = readonly DraftChange[];

export interface ServiceState {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly nodes: { get(id: string): Node | undefined; all(): Iterable<Node> };
  readonly ages: TaskAges;
  /** Milliseconds since the epoch, for timestamps. */
  readonly nowMs: number;
  readonly newTaskId: () => string;
}

/**
 * One service with its tasks and what the plans of one pass want changed. Each plan sees what those before it decided. Nothing
 * here does I/O: the same state gives the same changes.
 */
export class ServiceDraft {
  readonly nodes: ServiceState["nodes"];
  readonly ages: TaskAges;
  readonly nowMs: number;
  readonly #newTaskId: () => string;
  readonly #slots = new Map<number | string, Slot>();
  readonly #groups: DraftChange[][] = [];
  /** What `isDirty` found, by the task as it was then. Emptied when the service changes. */
  #dirty = new Map<Task, boolean>();
  #group: DraftChange[] | null = null;
  #service: Service;
  #wakeInMs: number | undefined;

  constructor(state: ServiceState) {
    this.nodes = state.nodes;
    this.ages = state.ages;
    this.nowMs = state.nowMs;
    this.#newTaskId = state.newTaskId;
    this.#service = state.service;
    for (const task of state.tasks) if (task.desiredState !== "remove") this.slot(task.slot, task.nodeId).put(task);
  }

  get service(): Service {
    return this.#service;
  }

  get groups(): readonly ChangeGroup[] {
    return this.#groups;
  }

  /** After how many milliseconds the service needs a look even if nothing happens; undefined when never. */
  get wakeInMs(): number | undefined {
    return this.#wakeInMs;
  }

  /** Slots that have tasks, in the order of their numbers. */
  get slots(): readonly Slot[] {
    return [...this.#slots.values()].filter((slot) => slot.tasks.length > 0).sort((a, b) => a.number - b.number);
  }

  /** The slot with the number, or of the node when the number is 0. */
  slot(number: number, nodeId: string): Slot {
    const key = number === 0 ? nodeId : number;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = new Slot(number, number === 0 ? nodeId : "");
      this.#slots.set(key, slot);
    }
    return slot;
  }

  nodeOf(task: Task): Node | undefined {
    return task.nodeId === "" ? undefined : this.nodes.get(task.nodeId);
  }

  /** The task has to be replaced by an update. Comparing specs is the costly part of a pass, so it is done once per task. */
  isDirty(task: Task): boolean {
    let isDirty = this.#dirty.get(task);
    if (isDirty === undefined) {
      isDirty = isTaskDirty(this.#service, task, this.nodeOf(task));
      this.#dirty.set(task, isDirty);
    }
    return isDirty;
  }

  create(slot: Slot, options: { readonly desiredState: TaskState; readonly replaces?: Task; readonly startDelayMs?: number }): Task {
    const task = newTask({
      id: this.#newTaskId(),
      service: this.#service,
      slot: slot.number,
      nodeId: slot.nodeId,
      desiredState: options.desiredState,
      nowMs: this.nowMs,
      ...(options.replaces === undefined ? {} : { replacesTaskId: options.replaces.id }),
      ...(options.startDelayMs === undefined ? {} : { startDelayMs: options.startDelayMs }),
    });
    // The store sets meta; until then the age of a task that is this new has to be right.
    const draft = { ...task, meta: { version: 0, revision: 0, createdAtMs: this.nowMs, updatedAtMs: this.nowMs } };
    slot.put(draft);
    this.#record({ type: "create", task });
    return draft;
  }

  desire(task: Task, desiredState: TaskState): void {
    if (task.desiredState === desiredState) return;
    const changed = { ...task, desiredState };
    this.slot(task.slot, task.nodeId).put(changed);
    this.#record({ type: "update", task: changed });
  }

  remove(task: Task): void {
    this.slot(task.slot, task.nodeId).delete(task.id);
    this.#record({ type: "remove", taskId: task.id });
  }

  changeService(service: Service, options: { readonly isClientWrite: boolean }): void {
    this.#service = service;
    this.#dirty = new Map();
    this.#record({ type: "service", service, isClientWrite: options.isClientWrite });
  }

  /** What `change` records is written in one transaction, or, where it has no room in one, with nothing in between. */
  together(change: () => void): void {
    const group: DraftChange[] = [];
    this.#group = group;
    change();
    this.#group = null;
    if (group.length > 0) this.#groups.push(group);
  }

  wakeIn(delayMs: number): void {
    this.#wakeInMs = Math.min(this.#wakeInMs ?? Number.POSITIVE_INFINITY, Math.max(delayMs, 0));
  }

  /** Nothing of the task runs any more, or nobody can tell: it ended, never reached a node, or its node is gone or down. */
  isStopped(task: Task): boolean {
    if (isEnded(task)) return true;
    if (!isLive(task) && (stateOf(task) === "new" || stateOf(task) === "pending")) return true;
    const node = this.nodeOf(task);
    return task.nodeId !== "" && (node === undefined || node.status?.state === "down");
  }

  #record(change: DraftChange): void {
    if (this.#group === null) this.#groups.push([change]);
    else this.#group.push(change);
  }
}
