import type { Task } from "./objects.js";

/** The place that a task fills: its slot of a replicated service, or its node of a global one. */
export function slotKey(task: Pick<Task, "serviceId" | "slot" | "nodeId">): string {
  return task.slot === 0 ? `${task.serviceId}/${task.nodeId}` : `${task.serviceId}/${task.slot}`;
}
