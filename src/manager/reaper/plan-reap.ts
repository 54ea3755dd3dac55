import type { Task } from "../../model/objects.js";
import type { StoreView } from "../../store/view.js";
import { isEnded, isLive, isNewer, stateOf } from "../orchestrator/slot.js";

/**
 * True for a task that nothing needs any more: removed (scaled down, or its service is gone) and stopped, or an orphan without a
 * service (swarm-surface 3.2 and 3.9).
 */
export function isRemovable(view: StoreView, task: Task): boolean {
  if (task.serviceId === "" && stateOf(task) === "orphaned") return true;
  if (task.desiredState !== "remove") return false;
  return hasStopped(task) || (task.nodeId !== "" && view.nodes.get(task.nodeId) === undefined);
}

/**
 * The tasks of one slot beyond the history limit, oldest first (swarm-surface 3.9). Tasks that shall run or may still be running
 * count, and are never taken. The newest one stays whatever the limit is: it tells that the slot was filled, and how that ended.
 */
export function surplusHistory(view: StoreView, slotKey: string): readonly Task[] {
  const tasks = view.tasks.bySlot(slotKey).filter((task) => task.desiredState !== "remove");
  const limit = historyLimit(view, tasks[0]);
  if (limit === undefined || tasks.length <= limit) return [];
  const oldestFirst = [...tasks].sort((a, b) => (isNewer(a, b) ? 1 : isNewer(b, a) ? -1 : 0));
  return oldestFirst
    .slice(0, -1)
    .filter((task) => !isLive(task) && hasStopped(task))
    .slice(0, tasks.length - limit);
}

/** Undefined keeps everything. Restarts are counted from stored tasks, so a limit of attempts needs all of them and the first one. */
function historyLimit(view: StoreView, task: Task | undefined): number | undefined {
  const spec = task === undefined ? undefined : view.services.get(task.serviceId)?.spec;
  // The tasks of a deleted service are removed as a whole.
  if (!spec || (spec.mode?.type !== "replicated" && spec.mode?.type !== "global")) return undefined;
  const maxAttempts = spec.task?.restart?.maxAttempts ?? 0;
  if (maxAttempts > 0) return maxAttempts + 1;
  const limit = view.cluster?.spec?.taskHistoryRetentionLimit ?? 5n;
  return limit < 0n ? undefined : Math.max(Number(limit), 1);
}

/** It ended, or was called off before any node had it. */
function hasStopped(task: Task): boolean {
  const state = stateOf(task);
  return isEnded(task) || (!isLive(task) && (state === "new" || state === "pending"));
}
