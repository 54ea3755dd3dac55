import type { TaskState } from "./objects.js";

/** A task's life in order (swarm-surface 3.1); the numbers are those of proto/objects.proto. */
const ORDER: Readonly<Record<TaskState, number>> = {
  new: 0,
  pending: 64,
  assigned: 192,
  accepted: 256,
  preparing: 320,
  ready: 384,
  starting: 448,
  running: 512,
  complete: 576,
  shutdown: 640,
  failed: 704,
  rejected: 768,
  remove: 800,
  orphaned: 832,
};

export const TASK_STATES = Object.keys(ORDER) as readonly TaskState[];

/** In the order in which a task goes through its states; ends of all kinds come after running. */
export function isBefore(a: TaskState, b: TaskState): boolean {
  return ORDER[a] < ORDER[b];
}

/** The contrary of `isBefore`. */
export function isAtLeast(a: TaskState, b: TaskState): boolean {
  return ORDER[a] >= ORDER[b];
}

/** Past running: the task will never run again. */
export function isTerminal(state: TaskState): boolean {
  return ORDER[state] > ORDER.running;
}
