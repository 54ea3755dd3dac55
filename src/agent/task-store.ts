import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeFileDurably, syncFolder, writeFileDurably } from "../base/durable-file.js";
import type { Logger } from "../base/log.js";
import type { Task } from "../model/objects.js";
import { decodeRecord, encodeRecord } from "./task-record.js";

const SUFFIX = ".task";

/** A write of one task that is under way, and the newest state that waits behind it. */
interface PendingWrite {
  readonly running: Promise<void>;
  next: { readonly content: Uint8Array | null; readonly done: Promise<void> } | null;
}

/**
 * The tasks of this node on its own disk, one file each: the assignment with the status that was observed last. Writes of one task run one
 * by one and only the newest waits, so a task that changes quickly costs at most one extra write.
 */
export class TaskStore {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #writes = new Map<string, PendingWrite>();

  constructor(options: { readonly folder: string; readonly logger: Logger }) {
    this.#folder = options.folder;
    this.#logger = options.logger;
  }

  /**
   * Every task on disk. A file that is damaged is logged and dropped, one that cannot be read is logged and left: the container is adopted when the manager
   * assigns the task again.
   */
  async load(): Promise<readonly Task[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#folder);
    const tasks: Task[] = [];
    for (const name of names) {
      const path = join(this.#folder, name);
      if (!name.endsWith(SUFFIX)) {
        await rm(path, { force: true });
        continue;
      }
      const task = await this.#read(name);
      if (task !== undefined) tasks.push(task);
    }
    return tasks;
  }

  async #read(name: string): Promise<Task | undefined> {
    const path = join(this.#folder, name);
    let content: Uint8Array;
    try {
      content = await readFile(path);
    } catch (cause) {
      this.#logger.error({ err: cause, path }, "a task's record cannot be read");
      return undefined;
    }
    try {
      const task = decodeRecord(content);
      if (fileNameOf(task.id) === name) return task;
      this.#logger.error({ path }, `a task's record is that of ${task.id === "" ? "no task" : `task ${task.id}`} and was dropped`);
    } catch (cause) {
      this.#logger.error({ err: cause, path }, "a task's record is damaged and was dropped");
    }
    await rm(path, { force: true });
    return undefined;
  }

  /** Resolves when this state of the task, or a later one, is on disk. */
  async save(task: Task): Promise<void> {
    return this.#write(task.id, encodeRecord(task));
  }

  /** Resolves when the task is gone from the disk. */
  remove(taskId: string): Promise<void> {
    return this.#write(taskId, null);
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.allSettled([...this.#writes.values()].map((write) => write.next?.done ?? write.running));
  }

  /** Forgets everything: the node has left its swarm. */
  async clear(): Promise<void> {
    await this.settled();
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await syncFolder(this.#folder);
  }

  #write(taskId: string, content: Uint8Array | null): Promise<void> {
    const pending = this.#writes.get(taskId);
    if (pending === undefined) return this.#begin(taskId, content);
    if (pending.next === null) {
      const done = pending.running.then(
        () => this.#continue(taskId),
        () => this.#continue(taskId),
      );
      pending.next = { content, done };
    } else {
      pending.next = { content, done: pending.next.done };
    }
    return pending.next.done;
  }

  #continue(taskId: string): Promise<void> {
    const next = this.#writes.get(taskId)?.next;
    return next === undefined || next === null ? Promise.resolve() : this.#begin(taskId, next.content);
  }

  #begin(taskId: string, content: Uint8Array | null): Promise<void> {
    const path = join(this.#folder, fileNameOf(taskId));
    const running = content === null ? removeFileDurably(path) : writeFileDurably(path, content);
    const pending: PendingWrite = { running, next: null };
    this.#writes.set(taskId, pending);
    const onSettled = () => {
      if (pending.next === null && this.#writes.get(taskId) === pending) this.#writes.delete(taskId);
    };
    running.then(onSettled, onSettled);
    return running;
  }
}

function fileNameOf(taskId: string): string {
  return `${taskId}${SUFFIX}`;
}
