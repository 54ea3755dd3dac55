import type { Task } from "../../model/objects.js";
import { isAtLeast } from "../../model/task-state.js";
import type { AssignmentChange, AssignmentsMessage } from "../../wire/generated/dispatcher.js";

/**
 * What one node was told to run. A node gets every task that was assigned to it, whatever it is desired to do, until the
 * task leaves the store; it is not told what it said itself.
 */
export class AssignmentSet {
  readonly #sent = new Map<string, Task>();
  #sequence = 0;

  /** The first message: all of the node's tasks. */
  complete(tasks: Iterable<Task>): AssignmentsMessage {
    this.#sent.clear();
    const changes: AssignmentChange[] = [];
    for (const task of tasks) this.#collect(task.id, task, changes);
    return this.#message("complete", changes);
  }

  /** The next message for tasks that may have changed; undefined when the node knows all of it. `undefined` in place of a task: it is gone. */
  incremental(tasks: Iterable<readonly [string, Task | undefined]>): AssignmentsMessage | undefined {
    const changes: AssignmentChange[] = [];
    for (const [id, task] of tasks) this.#collect(id, task, changes);
    return changes.length === 0 ? undefined : this.#message("incremental", changes);
  }

  #collect(id: string, task: Task | undefined, changes: AssignmentChange[]): void {
    const sent = this.#sent.get(id);
    if (task === undefined) {
      if (this.#sent.delete(id)) changes.push({ type: "removeTask", removeTask: id });
      return;
    }
    if (task.status === null || !isAtLeast(task.status.state, "assigned")) return;
    this.#sent.set(id, task);
    if (sent === undefined || !isSameOrder(sent, task)) changes.push({ type: "updateTask", updateTask: task });
  }

  #message(kind: AssignmentsMessage["kind"], changes: readonly AssignmentChange[]): AssignmentsMessage {
    const appliesTo = kind === "complete" ? "" : String(this.#sequence);
    this.#sequence++;
    return { kind, appliesTo, resultsIn: String(this.#sequence), changes };
  }
}

/** True when nothing but the status (which the node itself reports) and the store's bookkeeping differ. Parts of objects are shared, never changed. */
function isSameOrder(a: Task, b: Task): boolean {
  return (Object.keys(a) as (keyof Task)[]).every((key) => key === "meta" || key === "status" || a[key] === b[key]);
}
