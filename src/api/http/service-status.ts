import { isAtLeast, isTerminal } from "../../model/task-state.js";
import type { Service, Task } from "../../model/objects.js";
import type { ServiceCounts } from "./convert/service.js";

/** What `service ls` shows as running and desired (swarm-surface 3.7). */
export function countTasks(service: Service, tasks: readonly Task[]): ServiceCounts {
  const current = service.jobStatus === null ? tasks : tasks.filter((task) => task.jobIteration === service.jobStatus?.iteration);
  const running = current.filter((task) => task.status?.state === "running" && !isTerminal(task.desiredState)).length;
  const completed = current.filter((task) => task.status?.state === "complete");
  const mode = service.spec?.mode;
  switch (mode?.type) {
    case undefined:
      return { running, desired: 1, completed: 0 };
    case "replicated":
      return { running, desired: mode.replicated.replicas, completed: 0 };
    case "global":
      return { running, desired: current.filter((task) => task.desiredState === "running").length, completed: 0 };
    case "replicatedJob":
      return { running: runningJobs(current), desired: mode.replicatedJob.maxConcurrent, completed: completed.length };
    case "globalJob":
      return {
        running: runningJobs(current),
        desired: current.filter((task) => task.desiredState === "complete" && !isAtLeast(task.status?.state ?? "new", "complete")).length,
        completed: completed.length,
      };
  }
}

/** A job's tasks are desired to be complete, which is past running. */
function runningJobs(tasks: readonly Task[]): number {
  return tasks.filter((task) => task.status?.state === "running" && task.desiredState === "complete").length;
}
