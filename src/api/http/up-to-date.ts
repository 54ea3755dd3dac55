import { isTaskDirty } from "../../model/dirty.js";
import type { Task } from "../../model/objects.js";
import type { StoreView } from "../../store/view.js";

/** False when a rolling update would replace the task: what clients that wait for an update to converge count. */
export function isUpToDate(task: Task, view: StoreView): boolean {
  const service = view.services.get(task.serviceId);
  return service !== undefined && !isTaskDirty(service, task, view.nodes.get(task.nodeId));
}
