import type { Task } from "../../model/objects.js";
import { isBefore } from "../../model/task-state.js";
import type { StoreView } from "../../store/view.js";
import type { LogSelector } from "../../wire/generated/dispatcher.js";

/** Where the logs are that a selector asks for. */
export interface LogTargets {
  readonly tasksByNode: ReadonlyMap<string, readonly string[]>;
  /** Tasks that have no node yet. */
  readonly unscheduled: readonly string[];
}

/**
 * Pure. Past tasks count too: their nodes keep the logs for as long as the store keeps the tasks. A task that its node is still preparing is left out: it
 * has written nothing, and its node may not even have heard of it.
 */
export function planLogTargets(view: StoreView, selector: LogSelector): LogTargets {
  const tasksByNode = new Map<string, string[]>();
  const unscheduled: string[] = [];
  for (const task of selectedTasks(view, selector)) {
    const state = task.status?.state ?? "new";
    if (task.nodeId === "" || isBefore(state, "assigned")) unscheduled.push(task.id);
    if (task.nodeId === "" || isBefore(state, "starting")) continue;
    const onNode = tasksByNode.get(task.nodeId);
    if (onNode === undefined) tasksByNode.set(task.nodeId, [task.id]);
    else onNode.push(task.id);
  }
  return { tasksByNode, unscheduled };
}

/** True for a node that is DOWN, or not in the cluster any more: it will not answer. */
export function isNodeLost(view: StoreView, nodeId: string): boolean {
  return (view.nodes.get(nodeId)?.status?.state ?? "down") === "down";
}

function selectedTasks(view: StoreView, selector: LogSelector): Iterable<Task> {
  const selected = new Map<string, Task>();
  const add = (task: Task) => selected.set(task.id, task);
  for (const id of selector.serviceIds) view.tasks.byService(id).forEach(add);
  for (const id of selector.nodeIds) view.tasks.byNode(id).forEach(add);
  for (const id of selector.taskIds) {
    const task = view.tasks.get(id);
    if (task !== undefined) add(task);
  }
  return selected.values();
}
