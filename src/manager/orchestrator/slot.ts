import type { Task } from "../../model/objects.js";
import { isAtLeast } from "../../model/task-state.js";

/** The place of one replica with the tasks that filled it, those on their way out of the store (desired `remove`) left out. */
export class Slot {
  /** 1..N, or 0 for a global service. */
  readonly number: number;
  /** Node of a global service's slot; empty for a replicated one. */
  readonly nodeId: string;
  readonly #tasks = new Map<string, Task>();

  constructor(number: number, nodeId: string) {
    this.number = number;
    this.nodeId = nodeId;
  }

  get tasks(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  /** Tasks that shall run: desired state at most running. Usually one; two while an update goes start-first; none when the slot rests. */
  get live(): readonly Task[] {
    return this.tasks.filter(isLive);
  }

  get newest(): Task | undefined {
    return this.tasks.reduce<Task | undefined>((newest, task) => (newest === undefined || isNewer(task, newest) ? task : newest), undefined);
  }

  put(task: Task): void {
    if (task.desiredState === "remove") this.#tasks.delete(task.id);
    else this.#tasks.set(task.id, task);
  }

  delete(taskId: string): void {
    this.#tasks.delete(taskId);
  }
}

/** What the task was last seen doing; `new` before anything was. */
export function stateOf(task: Task): NonNullable<Task["status"]>["state"] {
  return task.status?.state ?? "new";
}

/** The manager wants it to run. */
export function isLive(task: Task): boolean {
  return !isAtLeast(task.desiredState, "complete");
}

/** It will never run again: ended, failed, refused or lost. */
export function isEnded(task: Task): boolean {
  return isAtLeast(stateOf(task), "complete");
}

/**
 * By the place of their creation in the log, since clocks are set and those of managers differ. Tasks of one entry are told by their time, and those of one transaction
 * share that, too: then the one that replaces the other is the newer.
 */
export function isNewer(a: Task, b: Task): boolean {
  const difference = createdAtIndex(a) - createdAtIndex(b) || (a.meta?.createdAtMs ?? 0) - (b.meta?.createdAtMs ?? 0);
  return difference === 0 ? a.replacesTaskId === b.id : difference > 0;
}

/** No client writes tasks, so that their version is that of their creation; one that is not in the log yet comes last. */
function createdAtIndex({ meta }: Task): number {
  return meta !== null && meta.version > 0 ? meta.version : Number.MAX_SAFE_INTEGER;
}

/** When the last report about the task was accepted, by the manager's clock where it is known. Milliseconds since the epoch. */
export function statusAtMs(task: Task): number {
  return task.status?.appliedAtMs || (task.status?.timestampMs ?? 0);
}
