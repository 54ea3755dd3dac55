import type { Task } from "../../model/objects.js";
import { isAtLeast } from "../../model/task-state.js";
import { roughBytes } from "../../store/object-size.js";
import type { AssignmentChange, AssignmentsMessage } from "../../wire/generated/dispatcher.js";

/** Of the changes in one message, far below what a message may have: a node with many tasks, or large ones, is told in several. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * What one node was told to run. A node gets every task that was assigned to it, whatever it is desired to do, until the
 * task leaves the store; it is not told what it said itself.
 */
export class AssignmentSet {
  readonly #sent = new Map<string, Task>();
  #sequence = 0;

  /** The first messages: all of the node's tasks. */
  complete(tasks: Iterable<Task>): readonly AssignmentsMessage[] {
    this.#sent.clear();
    const changes: AssignmentChange[] = [];
    for (const task of tasks) this.#collect(task.id, task, changes);
    const parts = partsOf(changes);
    return parts.map((part, at) => ({ ...this.#message("complete", part), ...(at < parts.length - 1 ? { hasMore: true } : {}) }));
  }

  /** The next messages for tasks that may have changed; none when the node knows all of it. `undefined` in place of a task: it is gone. */
  incremental(tasks: Iterable<readonly [string, Task | undefined]>): readonly AssignmentsMessage[] {
    const changes: AssignmentChange[] = [];
    for (const [id, task] of tasks) this.#collect(id, task, changes);
    return changes.length === 0 ? [] : partsOf(changes).map((part) => this.#message("incremental", part));
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

/** In order; one at least. */
function partsOf(changes: readonly AssignmentChange[]): readonly (readonly AssignmentChange[])[] {
  let part: AssignmentChange[] = [];
  const parts = [part];
  let bytes = 0;
  for (const change of changes) {
    const changeBytes = roughBytes(change);
    bytes += changeBytes;
    if (part.length > 0 && bytes > MESSAGE_BYTES_MAX) {
      part = [];
      parts.push(part);
      bytes = changeBytes;
    }
    part.push(change);
  }
  return parts;
}
