import { setMaxListeners } from "node:events";
import { aborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { newContainerId } from "../base/ids.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { Task, TaskStatus } from "../model/objects.js";
import type { HealthSource } from "../engine/health/health-checks.js";
import type { HostNetwork } from "../network/host-network.js";
import type { ContainerLogOptions, ContainerRuntime, LogLine } from "../runtime/container-runtime.js";
import type { ImageStore } from "../runtime/image-store.js";
import type { ImageTransfer } from "../runtime/image-transfer.js";
import { ImageFetcher } from "./image-fetcher.js";
import type { AssignmentsMessage } from "../wire/generated/dispatcher.js";
import { isAtLeast, isTerminal } from "../model/task-state.js";
import { type AgentNode, taskIdOf } from "./container-config.js";
import { ContainerController } from "./container-controller.js";
import { Limiter } from "../base/limiter.js";
import { StatusReporter } from "./status-reporter.js";
import { TaskRunner } from "./task-runner.js";
import { TaskStore } from "./task-store.js";

/** Containers that are made or started at the same time. */
const STARTS_MAX = 8;

export interface WorkerOptions {
  readonly node: AgentNode;
  /** Where the tasks of this node are kept; made when it does not exist. */
  readonly folder: string;
  readonly runtime: ContainerRuntime;
  readonly images: ImageStore;
  readonly transfer: ImageTransfer;
  /** Started already, with the endpoints of `loadLiveEndpoints`. */
  readonly network: HostNetwork;
  readonly health: HealthSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A line with the task that wrote it. */
export interface TaskLogLine {
  readonly task: Task;
  readonly line: LogLine;
}

/**
 * Runs the tasks that are assigned to this node. Needs no manager: what was assigned last goes on, also across restarts of the daemon.
 */
export class Worker {
  readonly reporter = new StatusReporter();
  readonly #options: WorkerOptions;
  readonly #store: TaskStore;
  readonly #fetcher: ImageFetcher;
  readonly #limiter = new Limiter(STARTS_MAX);
  readonly #runners = new Map<string, TaskRunner>();
  readonly #running = new Set<Promise<void>>();
  /** Tasks that were assigned again while their runners delete what is left of them. */
  readonly #next = new Map<string, Task>();
  /** Called after each change of any task. */
  readonly #onStatus = new Set<() => void>();
  #signal: AbortSignal | null = null;
  #hasSwept = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#fetcher = new ImageFetcher(options);
    this.#store = new TaskStore({ folder: options.folder, logger: options.logger });
  }

  /** Takes up the tasks on disk. To be awaited before `apply`; they run until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    // Each task listens to it.
    setMaxListeners(0, signal);
    for (const task of await this.#store.load()) this.#launch(task, signal);
  }

  /** Resolves when the signal of `start` has aborted and every task has come to rest. Containers go on. */
  async stopped(): Promise<void> {
    if (this.#signal !== null) await aborted(this.#signal);
    while (this.#running.size > 0) await Promise.all(this.#running);
    await this.#store.settled();
  }

  /** The tasks of this node with their observed status. */
  tasks(): readonly Task[] {
    return [...this.#runners.values()].map((runner) => runner.task);
  }

  /**
   * The log of a task; nothing for a task that is not here. With `follow` it waits for the container to be made, and ends with it.
   */
  async *logs(taskId: string, options: ContainerLogOptions, signal: AbortSignal): AsyncGenerator<TaskLogLine> {
    if (options.follow) await this.#untilContainer(taskId, signal);
    const task = this.#runners.get(taskId)?.task;
    const containerId = task?.status?.container?.containerId;
    if (signal.aborted || task === undefined || containerId === undefined || this.#options.runtime.inspect(containerId) === undefined) return;
    for await (const line of this.#options.runtime.logs(containerId, options, signal)) yield { task, line };
  }

  /** Every status goes to the manager again: a new leader, or a new session, may have missed some. */
  reportAll(): void {
    for (const [taskId, { status, isWithdrawn }] of this.#runners) {
      if (!isWithdrawn && isAtLeast(status.state, "accepted")) this.reporter.report(taskId, status);
    }
  }

  /** Takes over what the manager assigned. A complete set replaces all earlier ones: what it does not name is ended and removed. */
  apply(message: AssignmentsMessage): void {
    const signal = this.#signal;
    if (signal === null || signal.aborted) return;
    const named = new Set<string>();
    for (const change of message.changes) {
      if (change.type === "updateTask") {
        named.add(change.updateTask.id);
        this.#assign(change.updateTask, signal);
      } else if (change.type === "removeTask") {
        this.#withdraw(change.removeTask);
      }
    }
    if (message.kind === "incremental") return;
    for (const taskId of this.#runners.keys()) if (!named.has(taskId)) this.#withdraw(taskId);
    if (!this.#hasSwept) this.#sweep();
    this.#hasSwept = true;
  }

  /** Removes every task's container and record, by force: the node has left the swarm. Meant for after `stopped`; before, tasks get their grace period. */
  async removeAll(): Promise<void> {
    for (const taskId of [...this.#runners.keys()]) this.#withdraw(taskId);
    while (this.#running.size > 0) await Promise.all(this.#running);
    const { runtime, logger } = this.#options;
    const containers = runtime.list().filter(({ config }) => taskIdOf(config.labels) !== undefined);
    const removals = await Promise.allSettled(containers.map(({ config }) => this.#limiter.run(() => this.#removeContainer(config.id))));
    for (const removal of removals) if (removal.status === "rejected") logger.error({ err: removal.reason }, "a task's container could not be removed");
    this.#runners.clear();
    await this.#store.clear();
  }

  async #removeContainer(containerId: string): Promise<void> {
    await this.#options.runtime.remove(containerId, { force: true, volumes: true });
    await this.#options.network.detach(containerId);
  }

  /** Resolves when the task has a container, or when there will be none. */
  async #untilContainer(taskId: string, signal: AbortSignal): Promise<void> {
    const isWaiting = () => {
      const status = this.#runners.get(taskId)?.status;
      if (status === undefined || signal.aborted || isTerminal(status.state)) return false;
      const containerId = status.container?.containerId;
      return containerId !== undefined && this.#options.runtime.inspect(containerId) === undefined;
    };
    while (isWaiting()) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#onStatus.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#onStatus.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  #assign(task: Task, signal: AbortSignal): void {
    const runner = this.#runners.get(task.id);
    if (runner === undefined) this.#launch(task, signal);
    else if (runner.isForgetting) this.#next.set(task.id, task);
    else runner.update(task);
  }

  #withdraw(taskId: string): void {
    this.#next.delete(taskId);
    this.#runners.get(taskId)?.withdraw();
    this.reporter.forget(taskId);
  }

  #launch(assigned: Task, signal: AbortSignal): void {
    const containerId = assigned.status?.container?.containerId || this.#containerIdFor(assigned.id) || newContainerId();
    const task = { ...assigned, status: { ...(assigned.status ?? ASSIGNED), container: { pid: 0, exitCode: 0, ...assigned.status?.container, containerId } } };
    const { node, runtime, images, network, health, clock, random, logger } = this.#options;
    const controller = new ContainerController({ containerId, node, runtime, images, fetcher: this.#fetcher, network, health, ports: task.status.ports });
    const onStatus = (taskId: string, status: TaskStatus) => {
      // A manager that has dropped a task has no use for its end.
      if (this.#runners.get(taskId)?.isWithdrawn !== true) this.reporter.report(taskId, status);
      for (const listener of this.#onStatus) listener();
    };
    const runner = new TaskRunner({ task, controller, store: this.#store, clock, random, logger, limiter: this.#limiter, onStatus });
    this.#runners.set(task.id, runner);
    this.#track(task.id, runner, signal);
  }

  #track(taskId: string, runner: TaskRunner, signal: AbortSignal): void {
    const running = runner
      .run(signal)
      .catch((cause: unknown) => this.#options.logger.error({ err: cause, task: taskId }, "a task's runner stopped"))
      .finally(() => {
        this.#running.delete(running);
        if (signal.aborted || this.#runners.get(taskId) !== runner) return;
        this.#runners.delete(taskId);
        this.reporter.forget(taskId);
        const next = this.#next.get(taskId);
        this.#next.delete(taskId);
        if (next !== undefined) this.#launch(next, signal);
        for (const listener of this.#onStatus) listener();
      });
    this.#running.add(running);
  }

  /** A container that was made for the task when its record got lost. */
  #containerIdFor(taskId: string): string | undefined {
    return this.#options.runtime.list().find((container) => taskIdOf(container.config.labels) === taskId)?.config.id;
  }

  /** Removes containers of tasks that this node no longer has. Only once the manager said which it has: until then their records may be lost. */
  #sweep(): void {
    const { runtime, logger } = this.#options;
    for (const { config } of runtime.list()) {
      const taskId = taskIdOf(config.labels);
      if (taskId === undefined || this.#runners.has(taskId)) continue;
      logger.warn({ container: config.id, task: taskId }, "removing a container whose task is not assigned to this node");
      this.#removeContainer(config.id).catch((cause: unknown) =>
        logger.error({ err: cause, container: config.id }, "a container without a task could not be removed"),
      );
    }
  }
}

const ASSIGNED: TaskStatus = { state: "assigned", timestampMs: 0, message: "", error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0 };
