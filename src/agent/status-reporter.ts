import { onAbort } from "../base/abort.js";
import type { TaskStatus } from "../model/objects.js";
import { roughBytes } from "../store/object-size.js";
import type { TaskStatusUpdate } from "../wire/generated/dispatcher.js";

/** Statuses in one message, and their bytes: managers take no more than 1 MiB of a worker (src/rpc/channel-options.ts). */
const UPDATES_MAX = 500;
const UPDATES_BYTES_MAX = 512 * 1024;
/** What a program says when it fails can be long; managers keep no more of it either. */
const TEXT_CHARACTERS_MAX = 8_192;

/** Sends statuses to a manager; rejects when it did not take them. */
export type SendStatuses = (updates: readonly TaskStatusUpdate[]) => Promise<void>;

/**
 * Carries observed statuses to the manager. Of each task only the newest waits; one message is under way at a time, so a status goes out
 * at once when nothing else does, and whatever happens meanwhile goes together in the next. A status leaves only when a manager took it.
 */
export class StatusReporter {
  readonly #waiting = new Map<string, TaskStatus>();
  #wake: (() => void) | null = null;

  report(taskId: string, status: TaskStatus): void {
    this.#waiting.set(taskId, { ...status, message: cut(status.message), error: cut(status.error) });
    this.#wake?.();
  }

  /** The manager no longer knows the task: nothing needs to be said about it. */
  forget(taskId: string): void {
    this.#waiting.delete(taskId);
  }

  /** Number of tasks whose status no manager has taken yet. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Sends until the signal aborts. Rejects with the first failure to send; what was not taken waits for the next run. */
  async run(send: SendStatuses, signal: AbortSignal): Promise<void> {
    const detach = onAbort(signal, () => this.#wake?.());
    try {
      while (!signal.aborted) {
        if (this.#waiting.size > 0) await this.#sendSome(send);
        else await this.#change();
      }
    } finally {
      detach();
    }
  }

  async #sendSome(send: SendStatuses): Promise<void> {
    const taken = this.#someWaiting();
    await send(taken);
    for (const { taskId, status } of taken) if (this.#waiting.get(taskId) === status) this.#waiting.delete(taskId);
  }

  #someWaiting(): readonly TaskStatusUpdate[] {
    const some: TaskStatusUpdate[] = [];
    let sizeBytes = 0;
    for (const [taskId, status] of this.#waiting) {
      const update = { taskId, status };
      sizeBytes += roughBytes(update);
      if (some.length === UPDATES_MAX || (some.length > 0 && sizeBytes > UPDATES_BYTES_MAX)) break;
      some.push(update);
    }
    return some;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function cut(text: string): string {
  return text.slice(0, TEXT_CHARACTERS_MAX);
}
