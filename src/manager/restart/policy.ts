import { DEFAULT_RESTART_DELAY_NS, msOf } from "../../model/defaults.js";
import type { Node, Task } from "../../model/objects.js";
import { statusAtMs, stateOf } from "../orchestrator/slot.js";

/**
 * Whether the restart policy allows a replacement for the task, which ended or has to leave its node. `slotTasks` are the stored
 * tasks of its slot: attempts are counted from them, so that nothing is lost with the leader (swarm-surface 3.3).
 */
export function shouldRestart(task: Task, slotTasks: readonly Task[]): boolean {
  const policy = task.spec?.restart ?? null;
  if (policy === null) return true;
  if (policy.condition === "none") return false;
  if (policy.condition === "on_failure" && stateOf(task) === "complete") return false;
  if (policy.maxAttempts === 0) return true;
  const attempts = slotTasks.filter((other) => other.startDelayMs !== undefined && other.specVersion === task.specVersion);
  if (policy.windowNs === 0n) return attempts.length < policy.maxAttempts;
  const failedAtMs = statusAtMs(task);
  const windowStartMs = failedAtMs - msOf(policy.windowNs);
  const recent = attempts.filter((other) => {
    const createdAtMs = other.meta?.createdAtMs ?? 0;
    return createdAtMs > windowStartMs && createdAtMs <= failedAtMs;
  });
  return recent.length < policy.maxAttempts;
}

/** How long the replacement waits before it starts. A drained node's tasks move without delay. */
export function restartDelayMs(task: Task, node: Node | undefined): number {
  if (node?.spec?.availability === "drain") return 0;
  return Math.round(msOf(task.spec?.restart?.delayNs ?? DEFAULT_RESTART_DELAY_NS));
}
