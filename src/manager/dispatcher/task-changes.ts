import { Wakeable } from "./wakeable.js";

/** Tells each assignment stream which tasks of its node to look at. Bounded by the number of tasks of the node. */
export class TaskChanges {
  readonly #followers = new Map<string, Set<Follower>>();

  add(nodeId: string, taskId: string): void {
    for (const follower of this.#followers.get(nodeId) ?? []) follower.add(taskId);
  }

  follow(nodeId: string): Follower {
    const followers = this.#followers.get(nodeId) ?? new Set();
    this.#followers.set(nodeId, followers);
    const follower = new Follower(() => {
      followers.delete(follower);
      if (followers.size === 0 && this.#followers.get(nodeId) === followers) this.#followers.delete(nodeId);
    });
    followers.add(follower);
    return follower;
  }
}

/** One stream's list of tasks to look at. */
export class Follower {
  readonly #taskIds = new Set<string>();
  readonly #wakeable = new Wakeable();
  readonly stop: () => void;

  constructor(stop: () => void) {
    this.stop = stop;
  }

  add(taskId: string): void {
    this.#taskIds.add(taskId);
    this.#wakeable.wake();
  }

  /** Resolves when there is something to take. Rejects with the signal's reason when it aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#wakeable.changed(signal);
  }

  /** Takes the ids that were added since the last time. */
  take(): readonly string[] {
    const ids = [...this.#taskIds];
    this.#taskIds.clear();
    return ids;
  }
}
