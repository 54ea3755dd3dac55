import type { TaskState } from "../model/objects.js";
import { isAtLeast, isBefore, isTerminal } from "../model/task-state.js";

/**
 * What to do next for a task.
 *
 * - `accept` … `wait`: carry the task one state further; `wait` lasts as long as its container runs.
 * - `settle`: what was started is to become healthy.
 * - `rest`: nothing until the desired state changes.
 * - `shutdown`: end it cleanly.  `remove`: delete its container; `forget`: the manager has dropped it, delete its record too.
 */
export type TaskStep = "accept" | "begin-prepare" | "prepare" | "begin-start" | "start" | "settle" | "wait" | "rest" | "shutdown" | "remove" | "forget";

export interface TaskProgress {
  readonly observed: TaskState;
  readonly desired: TaskState;
  /** The task is no longer in this node's assignments. */
  readonly isWithdrawn: boolean;
  readonly hasContainer: boolean;
  /** Its container runs, or did. */
  readonly isStarted: boolean;
}

/** The one step that a task needs now (swarm-surface 3.1). Ready is a pause point: beyond it only when a running task is desired. */
export function planStep(task: TaskProgress): TaskStep {
  if (isTerminal(task.observed)) {
    if (task.isWithdrawn) return "forget";
    return task.desired === "remove" && task.hasContainer ? "remove" : "rest";
  }
  if (task.isWithdrawn || isAtLeast(task.desired, "shutdown")) return "shutdown";
  if (isBefore(task.observed, "accepted")) return "accept";
  switch (task.observed) {
    case "accepted":
      return "begin-prepare";
    case "preparing":
      return "prepare";
    case "ready":
      return isAtLeast(task.desired, "running") ? "begin-start" : "rest";
    case "starting":
      return task.isStarted ? "settle" : "start";
    default:
      return "wait";
  }
}
