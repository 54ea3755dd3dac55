import type { Task } from "../../model/objects.js";
import { planGlobal } from "./plan-global.js";
import { planReplicated } from "./plan-replicated.js";
import { type ChangeGroup, ServiceDraft, type ServiceState } from "./service-draft.js";

export interface ServicePlan {
  /** In the order in which they are to be written; each group together. */
  readonly groups: readonly ChangeGroup[];
  /** Look again after this many milliseconds even if nothing happens; undefined when only an event can change the plan. */
  readonly wakeInMs: number | undefined;
}

/** Everything that has to change about a service's tasks now. Pure: the same state gives the same plan. */
export function planService(state: ServiceState): ServicePlan {
  const draft = new ServiceDraft(state);
  const mode = state.service.spec?.mode ?? null;
  if (mode?.type === "replicated") planReplicated(draft, mode.replicated.replicas);
  else if (mode?.type === "global") planGlobal(draft);
  // Jobs are refused when they are created.
  return { groups: draft.groups, wakeInMs: draft.wakeInMs };
}

/** The tasks of a service that was deleted: all have to stop and leave the store. */
export function planRemovedService(tasks: readonly Task[]): ServicePlan {
  const groups = tasks
    .filter((task) => task.desiredState !== "remove")
    .map((task) => [{ type: "update" as const, task: { ...task, desiredState: "remove" as const } }]);
  return { groups, wakeInMs: undefined };
}
