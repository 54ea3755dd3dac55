import { aborted, onAbort } from "../base/abort.js";
import { Backoff } from "../base/backoff.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { Task, TaskState, TaskStatus } from "../model/objects.js";
import { isAtLeast, isBefore, isTerminal } from "../model/task-state.js";
import type { Limiter } from "../base/limiter.js";
import type { TaskController, TaskExit } from "./task-controller.js";
import type { TaskStore } from "./task-store.js";
import { type TaskStep, planStep } from "./task-step.js";

/** Docker's words (moby: daemon/cluster/executor/container/errors.go). */
const UNHEALTHY = "unhealthy container";

/** Attempts to stop a container before its task is reported as failed, and to remove it before it is left alone. */
const ATTEMPTS_MAX = 5;

export interface TaskRunnerOptions {
  /** With the status that was observed last. */
  readonly task: Task;
  readonly controller: TaskController;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Shared by all tasks of the node: bounds how many containers are made and started at a time. */
  readonly limiter: Limiter;
  readonly onStatus: (taskId: string, status: TaskStatus) => void;
}

/**
 * Takes one task through its life, one step at a time, towards its desired state. The observed state never goes back. A final status is
 * reported only when it is on disk, so that a task is never taken up again after the manager heard of its end.
 */
export class TaskRunner {
  readonly #controller: TaskController;
  readonly #options: TaskRunnerOptions;
  #task: Task;
  #status: TaskStatus;
  #isWithdrawn = false;
  #isForgetting = false;
  /** Aborts when there is something new to plan for. */
  #change = new AbortController();

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#controller = options.controller;
    this.#task = options.task;
    this.#status = options.task.status ?? newStatus();
  }

  /** The assignment with the status observed here. */
  get task(): Task {
    return { ...this.#task, status: this.#status };
  }

  get status(): TaskStatus {
    return this.#status;
  }

  get isWithdrawn(): boolean {
    return this.#isWithdrawn;
  }

  /** What is left of it is being deleted: should the task be assigned again, it is for another runner, once this one has ended. */
  get isForgetting(): boolean {
    return this.#isForgetting;
  }

  /** The manager's newest idea of the task; what was observed here stays. */
  update(task: Task): void {
    this.#task = task;
    this.#isWithdrawn = false;
    this.#saveSoon();
    this.#change.abort();
  }

  /** The task is no longer assigned to this node: end it and delete everything of it. */
  withdraw(): void {
    this.#isWithdrawn = true;
    this.#change.abort();
  }

  /** Resolves when nothing of the task is left, or when the signal aborts: then its container goes on by itself. */
  async run(signal: AbortSignal): Promise<void> {
    const detach = onAbort(signal, () => this.#change.abort());
    try {
      await this.#resume();
      while (!signal.aborted) {
        const change = this.#renewChange(signal);
        const step = this.#plan();
        if (step === "forget") return await this.#forget(signal);
        await this.#carryOut(step, change, signal);
      }
    } finally {
      detach();
    }
  }

  /** Renewed before planning: a change that comes later interrupts the step that did not know it. */
  #renewChange(signal: AbortSignal): AbortSignal {
    this.#change = new AbortController();
    if (signal.aborted) this.#change.abort();
    return this.#change.signal;
  }

  #plan(): TaskStep {
    const container = this.#controller.observe().type;
    return planStep({
      observed: this.#status.state,
      desired: this.#task.desiredState,
      isWithdrawn: this.#isWithdrawn,
      hasContainer: container !== "none",
      isStarted: container === "running" || container === "exited",
    });
  }

  /** Brings the status in line with a container that went on while the daemon was away. */
  async #resume(): Promise<void> {
    if (isTerminal(this.#status.state)) return;
    const container = this.#controller.observe();
    if (container.type === "running" || container.type === "exited") {
      if (container.type === "running") await this.#publishAgain();
      if (isBefore(this.#status.state, "running")) this.#advanceStarted();
    } else if (isAtLeast(this.#status.state, "running")) {
      await this.#finish("failed", this.#status.message, "the container is gone");
    }
  }

  /** Its record may be older than its start, or lost: then nobody told the network of its ports. */
  async #publishAgain(): Promise<void> {
    try {
      await this.#controller.publish(this.#task);
    } catch (cause) {
      this.#options.logger.error({ err: cause, task: this.#task.id }, "the ports of a task could not be published again");
    }
  }

  async #carryOut(step: Exclude<TaskStep, "forget">, change: AbortSignal, signal: AbortSignal): Promise<void> {
    try {
      await this.#perform(step, change, signal);
    } catch (cause) {
      // Whatever a stopping daemon interrupts is taken up again at the next start.
      if (signal.aborted || (change.aborted && cause === change.reason)) return;
      await this.#fail(cause);
    }
  }

  async #perform(step: Exclude<TaskStep, "forget">, change: AbortSignal, signal: AbortSignal): Promise<void> {
    const { limiter, store } = this.#options;
    switch (step) {
      case "accept":
        await store.save(this.task);
        return this.#advance("accepted", "accepted");
      case "begin-prepare":
        return this.#advance("preparing", "preparing");
      case "prepare":
        // Not among those that the limit counts: a slow registry must not hold up tasks whose images are here.
        await this.#controller.fetch(this.#task, change);
        await limiter.run(() => this.#controller.prepare(this.#task));
        return this.#advance("ready", "prepared");
      case "begin-start":
        return this.#advance("starting", "starting");
      case "start":
        await limiter.run(() => this.#start());
        return this.#advanceStarted();
      case "settle": {
        // Not among those that the limit counts: it may take minutes.
        const exit = await this.#controller.ready(this.#task, change);
        return exit === null ? this.#advance("running", "started") : await this.#onExit(exit);
      }
      case "wait":
        return await this.#onExit(await this.#controller.wait(this.#task, change));
      case "rest":
        return await aborted(change);
      case "shutdown":
        return await this.#shutdown(signal);
      case "remove":
        return await this.#controller.remove();
    }
  }

  /** Prepares first: after a crash in the middle of a start the container may not be there. */
  async #start(): Promise<void> {
    await this.#controller.prepare(this.#task);
    await this.#controller.start(this.#task);
  }

  /** It runs; it is running in the manager's sense once it is healthy. Until then its record must have its ports, for a restart of the daemon. */
  #advanceStarted(): void {
    if (this.#controller.isReady()) this.#advance("running", "started");
    else this.#advance("starting", "starting");
  }

  async #onExit(exit: TaskExit): Promise<void> {
    if (exit.exitCode === 0) {
      return exit.isUnhealthy ? this.#finish("failed", this.#status.message, UNHEALTHY) : this.#finish("complete", "finished", "");
    }
    const reason = exit.isOutOfMemory ? ": out of memory" : exit.isUnhealthy ? `: ${UNHEALTHY}` : "";
    await this.#finish("failed", this.#status.message, `task: non-zero exit (${exit.exitCode})${reason}`);
  }

  async #shutdown(signal: AbortSignal): Promise<void> {
    await this.#persist("a container did not stop", signal, async () => {
      if (this.#controller.observe().type === "running") await this.#controller.shutdown(this.#task);
    });
    await this.#finish("shutdown", "shutdown", "");
  }

  async #forget(signal: AbortSignal): Promise<void> {
    this.#isForgetting = true;
    try {
      await this.#persist("a container could not be removed", signal, () => this.#controller.remove());
    } catch (cause) {
      // What a stopping daemon interrupts is taken up again at its next start, from the record.
      if (signal.aborted) return;
      // What is left is removed by the sweep of containers without a task, at the next start.
      this.#options.logger.error({ err: cause, task: this.#task.id }, "a container could not be removed");
    }
    await this.#options.store.remove(this.#task.id);
  }

  /** Several attempts: what holds a container up may pass. Rejects with the last failure. */
  async #persist(failure: string, signal: AbortSignal, call: () => Promise<void>): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, maxMs: 8_000, random: this.#options.random });
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (cause) {
        if (signal.aborted || attempt === ATTEMPTS_MAX) throw cause;
        this.#options.logger.warn({ err: cause, task: this.#task.id }, `${failure}; trying again`);
        await this.#options.clock.sleep(backoff.nextMs(), signal);
      }
    }
  }

  /** Before starting the node refuses the task; later the task has failed. */
  async #fail(cause: unknown): Promise<void> {
    if (isTerminal(this.#status.state)) {
      this.#options.logger.error({ err: cause, task: this.#task.id }, "a step after the end of a task failed");
      // Nothing to report, nothing to try at once: wait for the next change.
      return aborted(this.#change.signal);
    }
    const error = ClusterError.from(cause);
    if (error.code === "internal") this.#options.logger.error({ err: cause, task: this.#task.id }, "a step of a task failed");
    await this.#finish(isBefore(this.#status.state, "starting") ? "rejected" : "failed", this.#status.message, error.message);
  }

  async #finish(state: TaskState, message: string, error: string): Promise<void> {
    const { controller, logger, store } = { ...this.#options, controller: this.#controller };
    try {
      await controller.release();
    } catch (cause) {
      logger.error({ err: cause, task: this.#task.id }, "the network of a task could not be released");
    }
    this.#status = this.#statusOf(state, message, error);
    try {
      await store.save(this.task);
    } catch (cause) {
      logger.error({ err: cause, task: this.#task.id }, "the final status of a task could not be saved");
    }
    this.#options.onStatus(this.#task.id, this.#status);
  }

  #advance(state: TaskState, message: string): void {
    this.#status = this.#statusOf(state, message, "");
    this.#options.onStatus(this.#task.id, this.#status);
    if (isAtLeast(state, "starting")) this.#saveSoon();
  }

  #statusOf(state: TaskState, message: string, error: string): TaskStatus {
    const container = this.#controller.containerStatus();
    return { ...newStatus(), state, timestampMs: Math.floor(this.#options.clock.now()), message, error, container, ports: this.#controller.ports() };
  }

  /** Not waited for: a container tells more than its record, should the daemon die before this is written. */
  #saveSoon(): void {
    this.#options.store.save(this.task).catch((cause: unknown) => {
      this.#options.logger.error({ err: cause, task: this.#task.id }, `the record of a task could not be saved: ${messageOf(cause)}`);
    });
  }
}

function newStatus(): TaskStatus {
  return { state: "assigned", timestampMs: 0, message: "", error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0 };
}
