import type { Clock } from "../../base/clock.js";
import type { Task } from "../../model/objects.js";
import { isEnded, stateOf, statusAtMs } from "./slot.js";

/** How long ago things happened to tasks, in milliseconds: what the plans know of time. */
export interface TaskAges {
  sinceCreated(task: Task): number;
  /** Undefined when the task is not known to have run: it has not yet, or it ended unseen. */
  sinceRunning(task: Task): number | undefined;
  /** Undefined while the task has not ended. */
  sinceEnded(task: Task): number | undefined;
}

type Moment = "created" | "running" | "ended";

/**
 * Remembers when tasks were created, began to run and ended. The store's timestamps (wall clock) are used once, when a moment is
 * first seen; from then on the monotonic clock counts, so that a jump of the wall clock neither skips nor prolongs a delay. A new
 * leader starts with an empty memory and takes everything from the store.
 */
export class TaskTimes implements TaskAges {
  readonly #clock: Clock;
  /** By task id; the values are monotonic milliseconds. */
  readonly #moments = new Map<string, Partial<Record<Moment, number>>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called with every state that a task is seen in: after a task has ended, nothing in it says when it began to run. */
  observe(task: Task): void {
    if (stateOf(task) === "running") this.#moment(task.id, "running", statusAtMs(task));
    else if (isEnded(task)) this.#moment(task.id, "ended", statusAtMs(task));
  }

  /** The task is gone. */
  forget(taskId: string): void {
    this.#moments.delete(taskId);
  }

  sinceCreated(task: Task): number {
    return this.#clock.monotonic() - this.#moment(task.id, "created", task.meta?.createdAtMs ?? this.#clock.now());
  }

  sinceRunning(task: Task): number | undefined {
    this.observe(task);
    return this.#since(task, "running");
  }

  sinceEnded(task: Task): number | undefined {
    this.observe(task);
    return this.#since(task, "ended");
  }

  #since(task: Task, moment: Moment): number | undefined {
    const at = this.#moments.get(task.id)?.[moment];
    return at === undefined ? undefined : this.#clock.monotonic() - at;
  }

  #moment(taskId: string, moment: Moment, atMs: number): number {
    let moments = this.#moments.get(taskId);
    if (moments === undefined) {
      moments = {};
      this.#moments.set(taskId, moments);
    }
    moments[moment] ??= this.#clock.monotonic() - Math.max(this.#clock.now() - atMs, 0);
    return moments[moment];
  }
}
