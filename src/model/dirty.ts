import { DEFAULT_RESTART_POLICY } from "./defaults.js";
import { isDeepEqual } from "./deep-equal.js";
import { nodeMatches } from "./node-match.js";
import type { EndpointSpec, Node, Placement, ResourceRequirements, Service, Task, TaskSpec, TaskState } from "./objects.js";
import { isAtLeast } from "./task-state.js";

/**
 * True when the task was made from an older spec of its service and differs from what the newest one asks for, so that a
 * rolling update has to replace it (swarm-surface 3.5). Replicas, labels and update settings are no part of a task.
 *
 * `node` is the node that the task is on, undefined when it has none or it is gone: a change of placement alone leaves a task
 * where it is as long as its node satisfies the new constraints. One that the scheduler has not let onto its node yet is nowhere: it would wait by the old placement.
 */
export function isTaskDirty(service: Service, task: Task, node: Node | undefined): boolean {
  if (task.specVersion === service.specVersion) return false;
  const wanted = service.spec?.task ?? null;
  if (wanted === null || task.spec === null) return wanted !== task.spec;
  if (!isDeepEqual(comparable(wanted, task), comparable(task.spec, task))) return true;
  if (!isDeepEqual(normalEndpoint(service.spec?.endpoint ?? null), normalEndpoint(task.endpoint?.spec ?? null))) return true;
  const placement = normalPlacement(wanted.placement);
  if (isDeepEqual(placement, normalPlacement(task.spec.placement))) return false;
  return node === undefined || !isAtLeast(stateOf(task), "assigned") || !nodeMatches(placement.constraints, node);
}

/** A task spec without its placement, and with one form for what can be said in two. */
function comparable(spec: TaskSpec, task: Task): TaskSpec {
  return {
    ...spec,
    container: spec.container === null ? null : { ...spec.container, registryAuth: isPulled(task) ? "" : spec.container.registryAuth },
    resources: normalResources(spec.resources),
    restart: { ...DEFAULT_RESTART_POLICY, ...spec.restart },
    placement: null,
  };
}

/** Credentials for the registry matter only until the image is there. */
function isPulled(task: Task): boolean {
  const state = stateOf(task);
  return isAtLeast(state, "ready") && !isAtLeast(state, "complete");
}

function stateOf(task: Task): TaskState {
  return task.status?.state ?? "new";
}

function normalResources(resources: ResourceRequirements | null): ResourceRequirements {
  return {
    ...resources,
    limits: resources?.limits ?? { nanoCpus: 0n, memoryBytes: 0n, pids: 0n },
    reservations: resources?.reservations ?? { nanoCpus: 0n, memoryBytes: 0n, generic: [] },
  };
}

function normalPlacement(placement: Placement | null): Placement {
  return placement ?? { constraints: [], preferences: [], maxReplicas: 0, platforms: [] };
}

function normalEndpoint(endpoint: EndpointSpec | null): EndpointSpec {
  return endpoint ?? { mode: "vip", ports: [] };
}
