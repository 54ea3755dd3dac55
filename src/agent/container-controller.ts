import { mkdir, stat } from "node:fs/promises";
import { AbortScope } from "../base/abort.js";
import { assert } from "../base/assert.js";
import { ClusterError, isClusterError, systemCodeOf } from "../base/errors.js";
import type { ContainerNetwork } from "../model/container-network.js";
import type { ContainerStatus, PortConfig, Task } from "../model/objects.js";
import type { HostNetwork } from "../network/host-network.js";
import type { HealthSource } from "../engine/health/health-checks.js";
import type { HealthStatus } from "../engine/health/health-state.js";
import type { ContainerExit, ContainerRuntime } from "../runtime/container-runtime.js";
import type { ImageStore } from "../runtime/image-store.js";
import { type AgentNode, containerConfigOf, containerSpecOf, hostPortsOf, networkModeOf, stopGracePeriodMsOf } from "./container-config.js";
import type { ImageFetcher } from "./image-fetcher.js";
import type { ObservedContainer, TaskController, TaskExit } from "./task-controller.js";

export interface ContainerControllerOptions {
  readonly containerId: string;
  readonly node: AgentNode;
  readonly runtime: ContainerRuntime;
  readonly images: ImageStore;
  readonly fetcher: ImageFetcher;
  readonly network: HostNetwork;
  readonly health: HealthSource;
  /** Ports that are published already, from the time before a restart of the daemon. */
  readonly ports: readonly PortConfig[];
}

/** Runs one task as one container of this host. */
export class ContainerController implements TaskController {
  readonly #id: string;
  readonly #node: AgentNode;
  readonly #runtime: ContainerRuntime;
  readonly #images: ImageStore;
  readonly #fetcher: ImageFetcher;
  readonly #network: HostNetwork;
  readonly #health: HealthSource;
  #ports: readonly PortConfig[];
  #exitCode = 0;

  constructor(options: ContainerControllerOptions) {
    this.#id = options.containerId;
    this.#node = options.node;
    this.#runtime = options.runtime;
    this.#images = options.images;
    this.#fetcher = options.fetcher;
    this.#network = options.network;
    this.#health = options.health;
    this.#ports = options.ports;
  }

  observe(): ObservedContainer {
    const info = this.#runtime.inspect(this.#id);
    if (info === undefined) return { type: "none" };
    if (info.state !== "exited") return { type: info.state };
    return { type: "exited", exit: this.#keep(info.exit ?? { exitCode: 255, isOutOfMemory: false, finishedAtMs: 0 }) };
  }

  async fetch(task: Task, signal: AbortSignal): Promise<void> {
    if (this.#runtime.inspect(this.#id) !== undefined) return;
    const { image, registryAuth } = containerSpecOf(task);
    await this.#fetcher.ensure(image, registryAuth, signal);
  }

  async prepare(task: Task): Promise<void> {
    if (this.#runtime.inspect(this.#id) !== undefined) return;
    const image = containerSpecOf(task).image;
    if (this.#images.resolve(image) === undefined) throw new ClusterError("not_found", `No such image: ${image}`);
    await this.#removeNamesake(task);
    const network = await this.#attach(task);
    try {
      const config = containerConfigOf(task, this.#node, { containerId: this.#id, network });
      await this.#prepareBinds(task, config.mounts);
      await this.#runtime.create(config);
    } catch (cause) {
      await this.#network.detach(this.#id);
      throw cause;
    }
  }

  async start(task: Task): Promise<void> {
    // Not earlier: until now an older task of the service may have held them.
    await this.#publish(task);
    try {
      await this.#runtime.start(this.#id);
    } catch (cause) {
      const error = ClusterError.from(cause);
      throw new ClusterError(error.code, `starting container failed: ${error.message}`, { cause });
    }
  }

  async publish(task: Task): Promise<void> {
    if (this.#ports.length === 0) await this.#publish(task);
  }

  isReady(): boolean {
    const status = this.#health.statusOf(this.#id);
    return this.observe().type === "exited" || (this.observe().type === "running" && (status === null || status === "healthy"));
  }

  ready(task: Task, signal: AbortSignal): Promise<TaskExit | null> {
    return this.#watch(task, (status) => status === null || status === "healthy", signal);
  }

  async wait(task: Task, signal: AbortSignal): Promise<TaskExit> {
    const exit = await this.#watch(task, () => false, signal);
    assert(exit !== null, "no status is enough for who waits for the end");
    return exit;
  }

  async shutdown(task: Task): Promise<void> {
    try {
      await this.#runtime.stop(this.#id, stopGracePeriodMsOf(task));
    } catch (cause) {
      if (!isClusterError(cause, "not_found")) throw cause;
    }
    this.observe();
  }

  async release(): Promise<void> {
    this.#ports = [];
    await this.#network.detach(this.#id);
  }

  async remove(): Promise<void> {
    try {
      await this.#runtime.remove(this.#id, { force: true, volumes: true });
    } catch (cause) {
      if (!isClusterError(cause, "not_found")) throw cause;
    }
    await this.release();
  }

  containerStatus(): ContainerStatus {
    return { containerId: this.#id, pid: this.#runtime.inspect(this.#id)?.pid ?? 0, exitCode: this.#exitCode };
  }

  ports(): readonly PortConfig[] {
    return this.#ports;
  }

  /** Until a status is enough (null), or it has ended; one that is unhealthy is ended. */
  async #watch(task: Task, isEnough: (status: HealthStatus | null) => boolean, signal: AbortSignal): Promise<TaskExit | null> {
    using watch = new AbortScope(signal);
    const status = this.#statusThat((each) => each === "unhealthy" || isEnough(each), watch.signal);
    const exit = this.#runtime.wait(this.#id, watch.signal).then(() => "exited" as const);
    try {
      // An end that is there already counts more.
      const first = await Promise.race([exit, status]);
      if (first !== "exited" && first !== "unhealthy") return null;
      if (first === "unhealthy") await this.shutdown(task);
      const end = this.#keep(await this.#runtime.wait(this.#id, signal));
      return { ...end, isUnhealthy: this.#health.statusOf(this.#id) === "unhealthy" };
    } finally {
      watch.abort();
      await Promise.allSettled([status, exit]);
    }
  }

  /** Rejects with the signal's reason. */
  #statusThat(isIt: (status: HealthStatus | null) => boolean, signal: AbortSignal): Promise<HealthStatus | null> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        stop();
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const look = () => {
        const status = this.#health.statusOf(this.#id);
        if (isIt(status)) end(() => resolve(status));
      };
      const onAbort = () => end(() => reject(signal.reason));
      const stop = this.#health.onStatus(look);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      else look();
    });
  }

  /** Attaching again with ports publishes them. */
  async #publish(task: Task): Promise<void> {
    const ports = hostPortsOf(task);
    if (ports.length > 0 && networkModeOf(task) === "bridge") this.#ports = (await this.#network.attach(this.#id, ports)).ports;
  }

  async #attach(task: Task): Promise<ContainerNetwork | "host" | null> {
    const mode = networkModeOf(task);
    if (mode === "host") return "host";
    return mode === "none" ? null : (await this.#network.attach(this.#id, [])).network;
  }

  /** A container of the same name is this task's own, from an attempt whose record was lost. */
  async #removeNamesake(task: Task): Promise<void> {
    const namesake = this.#runtime.inspect(task.name);
    if (namesake === undefined || namesake.config.name !== task.name) return;
    await this.#runtime.remove(namesake.config.id, { force: true, volumes: true });
    await this.#network.detach(namesake.config.id);
  }

  /** A bind source must be there, or be made when the service asked for it. */
  async #prepareBinds(task: Task, mounts: readonly { readonly source: string }[]): Promise<void> {
    for (const [index, mount] of containerSpecOf(task).mounts.entries()) {
      const source = mounts[index]?.source ?? "";
      if (mount.type !== "bind") continue;
      if (mount.bindOptions?.createMountpoint === true) await mkdir(source, { recursive: true });
      try {
        await stat(source);
      } catch (cause) {
        if (systemCodeOf(cause) !== "ENOENT") throw cause;
        throw new ClusterError("invalid_argument", `invalid mount config for type "bind": bind source path does not exist: ${source}`, { cause });
      }
    }
  }

  #keep(exit: ContainerExit): ContainerExit {
    this.#exitCode = exit.exitCode;
    return exit;
  }
}
