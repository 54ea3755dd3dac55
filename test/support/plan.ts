import type { Node, Service, Task } from "../../src/model/objects.js";
import { planService, type ServicePlan } from "../../src/manager/orchestrator/plan-service.js";
import type { DraftChange } from "../../src/manager/orchestrator/service-draft.js";
import type { TaskAges } from "../../src/manager/orchestrator/task-times.js";

export interface PlanCase {
  readonly service: Service;
  readonly tasks?: readonly Task[];
  readonly nodes?: readonly Node[];
  readonly nowMs?: number;
  /** Ids of ended tasks mapped to when they began to run, which nothing in the store says. */
  readonly ranSince?: Readonly<Record<string, number>>;
}

/** planService on plain lists; new tasks are called new1, new2 and so on. */
export function planOf({ service, tasks = [], nodes = [], nowMs = 1_000_000, ranSince = {} }: PlanCase): ServicePlan {
  let created = 0;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return planService({
    service,
    tasks,
    nodes: { get: (id) => byId.get(id), all: () => nodes },
    ages: storedAges(nowMs, ranSince),
    nowMs,
    newTaskId: () => `new${++created}`,
  });
}

/** The plan in words, one change per line: `create 3 running`, `t1 -> shutdown`, `remove t1`, `update: paused`. */
export function describePlan(plan: ServicePlan): readonly string[] {
  return plan.groups.flat().map(describeChange);
}

function describeChange(change: DraftChange): string {
  if (change.type === "remove") return `remove ${change.taskId}`;
  if (change.type === "service") return `update: ${change.service.updateStatus?.state ?? "none"}`;
  const { task } = change;
  if (change.type === "update") return `${task.id} -> ${task.desiredState}`;
  const delay = task.startDelayMs === undefined ? "" : ` after ${task.startDelayMs} ms`;
  const place = task.slot === 0 ? task.nodeId : task.slot;
  return `create ${place} ${task.desiredState}${delay}${task.replacesTaskId === undefined ? "" : ` for ${task.replacesTaskId}`}`;
}

function storedAges(nowMs: number, ranSince: Readonly<Record<string, number>>): TaskAges {
  const statusAge = (task: Task) => nowMs - (task.status?.appliedAtMs ?? 0);
  const isEnded = (task: Task) =>
    !["new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"].includes(task.status?.state ?? "new");
  return {
    sinceCreated: (task) => nowMs - (task.meta?.createdAtMs ?? 0),
    sinceRunning: (task) => {
      const since = ranSince[task.id];
      if (since !== undefined) return nowMs - since;
      return task.status?.state === "running" ? statusAge(task) : undefined;
    },
    sinceEnded: (task) => (isEnded(task) ? statusAge(task) : undefined),
  };
}
