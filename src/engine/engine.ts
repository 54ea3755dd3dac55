import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { VolumeStore } from "../volumes/volume-store.js";
import { isDeepEqual } from "../model/deep-equal.js";
import type { HostNetwork, LiveEndpoint } from "../network/host-network.js";
import { bridgeNetworkOf } from "../runtime/bridge-network.js";
import type { ImageStore } from "../runtime/image-store.js";
import type { ContainerConfig, ContainerResources, RestartPolicy, SingleConfig } from "../runtime/container-config.js";
import type { ContainerChange, ContainerExit, ContainerInfo, ContainerRuntime, RemoveOptions } from "../runtime/container-runtime.js";
import { EventTeller } from "./event-teller.js";
import { EngineEvents } from "./events.js";
import { ExecRegistry } from "./exec-registry.js";
import { HealthChecks } from "./health/health-checks.js";
import type { HealthRecords } from "./health/health-records.js";
import { joinedFirst, shouldStartWithDaemon } from "./restart-plan.js";
import { Restarts } from "./restarts.js";
import { endOf, NO_EXIT, type WaitCondition } from "./wait-for-end.js";

export interface EngineOptions {
  readonly runtime: ContainerRuntime;
  readonly network: HostNetwork;
  readonly volumes: Pick<VolumeStore, "onChange">;
  readonly images: Pick<ImageStore, "onChange">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly healthRecords: HealthRecords;
}

/** Which network a container is made with. */
export type NetworkChoice = "bridge" | "host" | "none" | { readonly container: string };

const STOP_GRACE_MS = 10_000;
/** What `kill` sends that is meant to end a container: no policy starts it again then. */
const ENDING_SIGNALS = /^(SIG)?(KILL|TERM|INT|QUIT)$|^(2|3|9|15)$/i;

/** Containers that people make on this host, without a swarm: their network, restarts and removal, programs run in them, and the events of all of this host. */
export class Engine {
  readonly events = new EngineEvents();
  readonly execs: ExecRegistry;
  readonly health: HealthChecks;
  readonly #options: EngineOptions;
  readonly #teller: EventTeller;
  readonly #restarts: Restarts;
  /** Containers whose end is somebody's doing who goes on with them. */
  readonly #held = new Set<string>();
  /** What is still to be done about ends, and of which container. */
  readonly #cleanups = new Map<Promise<void>, string>();
  readonly #stopListening: readonly (() => void)[];

  constructor(options: EngineOptions) {
    this.#options = options;
    const { runtime, clock, logger } = options;
    this.#teller = new EventTeller(this.events, clock);
    this.#restarts = new Restarts({ clock, logger, start: (id) => this.#startAgain(id) });
    this.execs = new ExecRegistry({
      runtime,
      clock,
      tell: (action, exec, attributes) => this.tell(action, exec.settings.containerId, { execID: exec.id, ...attributes }),
    });
    this.health = new HealthChecks({ runtime, execs: this.execs, clock, logger, records: options.healthRecords });
    this.health.onStatus((id, status) => this.tell(`health_status: ${status}`, id));
    this.#stopListening = [
      runtime.onChange((change, info) => this.#onChange(change, info)),
      options.volumes.onChange((change) => this.#teller.volume(change)),
      options.images.onChange((change) => this.#teller.image(change)),
    ];
  }

  /** What a single container of an earlier daemon needs: it is started or removed, as its settings say. */
  async resume(): Promise<void> {
    for (const { config, state, exit } of joinedFirst(this.#options.runtime.list())) {
      if (config.single === null || state === "running") continue;
      if (config.single.isAutoRemoved) await this.remove(config.id, { force: true, volumes: true });
      else if (exit !== null && shouldStartWithDaemon(config.single, exit)) {
        await this.start(config.id).catch((cause: unknown) =>
          this.#options.logger.warn({ container: config.id, reason: messageOf(cause) }, "a container could not be started with the daemon"),
        );
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stopListening) stop();
    this.#restarts.close();
    await this.health[Symbol.asyncDispose]();
    await Promise.all(this.#cleanups.keys());
  }

  /** Endpoints of single containers: what the host's network must know when it is made anew. */
  liveEndpoints(): readonly LiveEndpoint[] {
    return this.#options.runtime.list().flatMap(({ config, state }) => {
      const network = bridgeNetworkOf(config);
      if (config.single === null || network === null || state === "exited") return [];
      return [{ containerId: config.id, network, ports: state === "running" ? config.single.published : [] }];
    });
  }

  /** Throws as the runtime's `create`, and `already_exists` for a port in use. */
  async create(config: Omit<ContainerConfig, "network">, choice: NetworkChoice): Promise<void> {
    const { runtime, network } = this.#options;
    try {
      await runtime.create({ ...config, network: await this.#networkOf(config, choice) });
    } catch (cause) {
      await network.detach(config.id);
      throw cause;
    }
  }

  /** False when it runs already. Throws `conflict` when it is paused, `failed_precondition` with the reason when it cannot be executed. */
  async start(id: string): Promise<boolean> {
    const info = this.#get(id);
    if (info.isPaused) throw new ClusterError("conflict", "cannot start a paused container, try unpause instead");
    if (info.state === "running") return false;
    this.#restarts.forget(id);
    await this.#change(info, { isStopped: false });
    try {
      await this.#launch(id);
    } catch (cause) {
      // Nobody comes to remove what was to remove itself and never ran.
      if (info.config.single?.isAutoRemoved === true) await this.remove(id, { force: true, volumes: true }).catch(ignoreRemoved);
      throw cause;
    }
    return true;
  }

  /** False when it does not run. Null is the container's own grace. */
  async stop(id: string, graceMs: number | null, signal = ""): Promise<boolean> {
    const info = this.#get(id);
    const wasWaiting = this.#restarts.isWaiting(id);
    this.#restarts.forget(id);
    await this.#change(info, { isStopped: true });
    if (info.state !== "running") return wasWaiting;
    this.#teller.signal(info, signal || info.stopSignal);
    await this.#options.runtime.stop(id, graceMs ?? graceOf(info), signal);
    this.tell("stop", id);
    return true;
  }

  /** Starts it also when it did not run. */
  async restart(id: string, graceMs: number | null, signal = ""): Promise<void> {
    const info = this.#get(id);
    this.#held.add(id);
    try {
      this.#restarts.forget(id);
      if (info.state === "running") {
        this.#teller.signal(info, signal || info.stopSignal);
        await this.#options.runtime.stop(id, graceMs ?? graceOf(info), signal);
        this.tell("stop", id);
      }
      await this.#settled(info);
      await this.#change(this.#get(id), { isStopped: false });
      await this.#launch(id);
    } finally {
      this.#held.delete(id);
    }
    this.tell("restart", id);
  }

  async kill(id: string, signal: string): Promise<void> {
    const info = this.#get(id);
    const notRunning = new ClusterError("conflict", `Cannot kill container: ${id}: Container ${id} is not running`);
    if (info.state !== "running") throw notRunning;
    if (ENDING_SIGNALS.test(signal)) await this.#change(info, { isStopped: true });
    try {
      await this.#options.runtime.kill(id, signal);
    } catch (cause) {
      throw isClusterError(cause, "failed_precondition") ? notRunning : cause;
    }
    this.#teller.signal(info, signal);
  }

  /** Throws `failed_precondition` when it is running and `force` is not set. */
  async remove(id: string, options: RemoveOptions): Promise<void> {
    this.#restarts.forget(id);
    this.#held.add(id);
    const info = this.#options.runtime.inspect(id);
    if (info?.state === "running" && options.force === true) this.#teller.signal(info, "SIGKILL");
    try {
      await this.#options.runtime.remove(id, options);
    } finally {
      this.#held.delete(id);
    }
    await this.#options.network.detach(id);
  }

  async rename(id: string, name: string): Promise<void> {
    const { config } = this.#get(id);
    if (config.name === name) throw new ClusterError("invalid_argument", "Renaming a container with the same name as its current name");
    await this.#options.runtime.update(id, { name });
    this.tell("rename", id, { oldName: `/${config.name}` });
  }

  /** `resources` makes them of those that there are, when it is the change's turn. */
  async update(
    id: string,
    change: { readonly resources: (now: ContainerResources) => ContainerResources; readonly restart: RestartPolicy | null },
  ): Promise<void> {
    const { restart } = change;
    if (restart !== null && this.#get(id).config.single === null) {
      throw new ClusterError("invalid_argument", "the restart policy of a task's container is its service's");
    }
    await this.#options.runtime.update(id, ({ resources, single }) => ({
      resources: change.resources(resources),
      ...(restart === null || single === null ? {} : { single: { ...single, restart } }),
    }));
    this.tell("update", id);
  }

  /** Begins to wait at once. Rejects with the signal's reason. */
  wait(id: string, condition: WaitCondition, signal: AbortSignal): Promise<ContainerExit> {
    const { runtime } = this.#options;
    const info = this.#get(id);
    if (condition === "not-running" && info.state !== "running") return Promise.resolve(info.exit ?? NO_EXIT);
    return endOf(runtime, id, condition, signal);
  }

  restartCount(id: string): number {
    return this.#restarts.count(id);
  }

  isRestarting(id: string): boolean {
    return this.#restarts.isWaiting(id);
  }

  /** Tells of something that was done to a container. */
  tell(action: string, id: string, attributes: Readonly<Record<string, string>> = {}): void {
    const info = this.#options.runtime.inspect(id);
    if (info !== undefined) this.#teller.container(action, info, attributes);
  }

  #onChange(change: ContainerChange, info: ContainerInfo): void {
    this.health.onChange(change, info);
    this.#teller.change(change, info);
    if (change === "exit") this.#onExit(info);
  }

  #onExit(info: ContainerInfo): void {
    const { id, single } = info.config;
    if (single === null) return;
    const isHeld = this.#held.has(id);
    const isRestarted = !isHeld && this.#restarts.onExit(info);
    const isRemoved = single.isAutoRemoved && !isHeld && !isRestarted;
    const done = (isRemoved ? this.remove(id, { force: true, volumes: true }) : this.#options.network.detach(id)).catch((cause: unknown) => {
      if (!isClusterError(cause, "not_found")) this.#options.logger.error({ err: cause, container: id }, "what a container left could not be removed");
    });
    this.#cleanups.set(done, id);
    done.finally(() => this.#cleanups.delete(done));
  }

  async #startAgain(id: string): Promise<void> {
    if (this.#get(id).state === "running") return;
    await this.#launch(id);
  }

  /** Gives it an address and its ports, and starts it. */
  async #launch(id: string): Promise<void> {
    const { runtime, network } = this.#options;
    await this.#settled(this.#get(id));
    const { config } = this.#get(id);
    const { single } = config;
    const had = bridgeNetworkOf(config);
    if (single !== null && had !== null) {
      const endpoint = await network.attach(id, single.ports, macAddressOf(single));
      if (!isDeepEqual(endpoint.network, had) || !isDeepEqual(endpoint.ports, single.published)) {
        await runtime.update(id, (now) => ({ network: endpoint.network, single: now.single && { ...now.single, published: endpoint.ports } }));
      }
    }
    try {
      await runtime.start(id);
    } catch (cause) {
      if (this.#get(id).state !== "running") {
        if (single !== null) await network.detach(id);
        throw cause;
      }
      // Somebody else has started it meanwhile.
      if (!isClusterError(cause, "failed_precondition")) throw cause;
    }
  }

  async #networkOf({ id, single }: Omit<ContainerConfig, "network">, choice: NetworkChoice): Promise<ContainerConfig["network"]> {
    if (choice === "bridge") return (await this.#options.network.attach(id, [], macAddressOf(single))).network;
    return choice === "none" ? null : choice;
  }

  async #change({ config }: ContainerInfo, change: Partial<SingleConfig>): Promise<void> {
    await this.#options.runtime.update(config.id, ({ single }) => {
      // Without a policy there is nothing to remember.
      if (single === null || single.restart.name === "no") return null;
      const changed = { ...single, ...change };
      return isDeepEqual(changed, single) ? null : { single: changed };
    });
  }

  /** Nothing of its own earlier end is under way, and where it publishes ports, which another may be about to give back, nothing of others' ends. */
  async #settled({ config: { id, single } }: ContainerInfo): Promise<void> {
    const wantsPorts = single !== null && single.ports.length > 0;
    await Promise.all([...this.#cleanups].filter(([, ended]) => wantsPorts || ended === id).map(([done]) => done));
  }

  #get(id: string): ContainerInfo {
    const info = this.#options.runtime.inspect(id);
    if (info === undefined) throw new ClusterError("not_found", `No such container: ${id}`);
    return info;
  }
}

/** Somebody else removed it, or does. */
function ignoreRemoved(cause: unknown): void {
  if (!isClusterError(cause, "not_found")) throw cause;
}

function graceOf({ config }: ContainerInfo): number {
  return config.single?.stopTimeoutMs || STOP_GRACE_MS;
}

/** As interfaces are told it: Docker's clients may write hyphens and capitals. */
function macAddressOf(single: SingleConfig | null): string | undefined {
  return single?.macAddress?.replaceAll("-", ":").toLowerCase();
}
