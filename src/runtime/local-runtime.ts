import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onAbort } from "../base/abort.js";
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { Limiter } from "../base/limiter.js";
import type { Logger } from "../base/log.js";
import { removeFolder } from "../base/remove-folder.js";
import type { ContainerVolumes } from "../volumes/volume-store.js";
import { CgroupTree } from "./cgroup-tree.js";
import { ContainerList } from "./container-list.js";
import { type ContainerPaths, containerPaths, containersFolder, mountPointsFolder, socketsFolder } from "./container-paths.js";
import { type ContainerRecord, readRecord, writeRecord } from "./container-record.js";
import type { ResourceAbilities } from "./resource-abilities.js";
import type { ContainerConfig } from "./container-config.js";
import type {
  DamagedContainer,
  Attachment,
  ContainerChange,
  ContainerChangeListener,
  ChangePlan,
  ContainerChanges,
  ContainerExit,
  ContainerInfo,
  ContainerLogOptions,
  ContainerRuntime,
  ContainerUsage,
  ExecConfig,
  ExecProcess,
  LogLine,
  RemoveOptions,
  StreamChoice,
  TerminalSize,
} from "./container-runtime.js";
import { ContainerSweep } from "./container-sweep.js";
import { NO_USAGE, readProcesses, readUsage } from "./container-usage.js";
import { writeEtcFiles } from "./etc-files.js";
import { filesOfContainer } from "./files/files-of-container.js";
import { HeldVolumes } from "./held-volumes.js";
import type { ImageStore } from "./image-store.js";
import type { ContainerTools } from "./container-tools.js";
import { type Joinable, joinedContainers } from "./joined-containers.js";
import { LocalContainer } from "./local-container.js";
import { LocalFiles } from "./files/local-files.js";
import { containerLogOf, readContainerLog } from "./logs/container-log.js";
import type { LogConfig } from "./logs/log-plan.js";
import { LogSending } from "./logs/log-sending.js";
import { makeMountPoints } from "./mount-points.js";
import { type OciRuntimes, OWN_RUNTIME_ONLY } from "./oci/oci-runtimes.js";
import { OtherRuntimes } from "./oci/other-runtime.js";
import type { RealtimeTime } from "./realtime-budget.js";
import { requireName, resolveContainer } from "./resolve-container.js";
import { compiledPolicyOf, ociPolicyOf } from "./seccomp/container-policy.js";
import { SeccompFilters } from "./seccomp/filters.js";
import { signalNumber } from "./signals.js";
import { Spawner } from "./shim/spawner.js";
import { mapsOf, requireMaps, requireRemap, type UserRemap } from "./user-remap.js";

/** Each costs a connection, and a file or two. */
const RECOVERED_AT_ONCE = 16;

export interface LocalRuntimeOptions {
  readonly dataRoot: string;
  /** For sockets; usually on a tmpfs. */
  readonly execRoot: string;
  /** Tells this daemon's kernel objects from those of others on the machine. */
  readonly ownerId: string;
  readonly images: ImageStore;
  readonly volumes: ContainerVolumes;
  /** The program swarm-shim; swarm-seccomp, swarm-init and swarm-files are beside it. */
  readonly shimPath: string;
  /** Name of the group below each cgroup hierarchy's root that holds the owners' groups: `swarm`. */
  readonly cgroupParent: string;
  /** Real-time processor time for all containers together; null, or left out, leaves their groups as they are. */
  readonly realtime?: RealtimeTime | null;
  /** Containers that do not ask for the host's user namespace get one with these maps; null leaves all in the host's. */
  readonly userRemap?: UserRemap | null;
  /** Beside our own; none when left out. */
  readonly runtimes?: OciRuntimes;
  /** Address of this host as containers reach it: of the default bridge. */
  readonly hostGateway: string;
  /** Sends one datagram to a unix socket (Kernel.sendDatagram). */
  readonly sendDatagram: (path: string, data: Uint8Array) => void;
  /** Kills all that are in a cgroup (Kernel.killGroup). */
  readonly killGroup: (path: string) => Promise<void>;
  /** Driver and options of containers that name none. */
  readonly defaultLog: LogConfig;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Containers under swarm-shim. Nothing here is lost with the daemon: `open` finds records, living shims and the exits that happened meanwhile. */
export class LocalRuntime implements ContainerRuntime {
  readonly files: LocalFiles;
  readonly #options: LocalRuntimeOptions;
  readonly #tools: ContainerTools;
  readonly #sending: LogSending;
  readonly #containers = new ContainerList();
  readonly #leftAlone: DamagedContainer[] = [];
  readonly #listeners = new Set<ContainerChangeListener>();

  private constructor(options: LocalRuntimeOptions, cgroups: CgroupTree) {
    const { shimPath, execRoot, logger, clock, sendDatagram } = options;
    const programs = dirname(shimPath);
    const filters = new SeccompFilters({ folder: join(execRoot, "seccomp"), compilerPath: join(programs, "swarm-seccomp") });
    this.#options = options;
    this.#sending = new LogSending({ clock, logger, sendDatagram });
    this.files = new LocalFiles({
      program: join(programs, "swarm-files"),
      container: (id) => {
        const container = this.#containers.get(id);
        container.requireKept("its files are gone");
        const maps = mapsOf(container.record.config, this.#userRemap);
        return filesOfContainer(container, { volumes: this.#tools.volumes, layers: this.#layersOf(container.record.imageId), maps });
      },
      upper: (id) => {
        const container = this.#containers.has(id) ? this.#containers.get(id) : undefined;
        return container === undefined || container.isBeingRemoved ? undefined : container.paths.upper;
      },
      logger,
    });
    this.#tools = {
      cgroups,
      otherRuntimes: new OtherRuntimes({ runtimes: options.runtimes ?? OWN_RUNTIME_ONLY, execRoot, seccompOf: ociPolicyOf }),
      spawner: new Spawner({ shimPath, cgroupArguments: cgroups.spawnerArguments, logger }),
      volumes: new HeldVolumes(options.volumes, logger),
      clock,
      logger,
      execRoot,
      hostGateway: options.hostGateway,
      compressorPath: join(programs, "swarm-compress"),
      seccompOf: (config) => compiledPolicyOf(config, filters),
      onChange: (change, info) => this.#tell(change, info),
    };
  }

  /** Throws `failed_precondition` when the machine cannot run containers, with what is missing. */
  static async open(options: LocalRuntimeOptions): Promise<LocalRuntime> {
    if (!existsSync(options.shimPath)) throw new ClusterError("failed_precondition", `${options.shimPath} does not exist (npm run build makes it)`);
    await mkdir(containersFolder(options.dataRoot), { recursive: true, mode: 0o710 });
    await mkdir(socketsFolder(options.execRoot), { recursive: true, mode: 0o700 });
    await makeMountPoints(mountPointsFolder(options.dataRoot));
    const { userRemap = null, dataRoot } = options;
    const program = join(dirname(options.shimPath), "swarm-files");
    if (userRemap !== null) await requireRemap(userRemap, { dataRoot, layer: mountPointsFolder(dataRoot), program });
    const hasOtherRuntimes = Object.keys(options.runtimes?.byName ?? {}).length > 0;
    const { cgroupParent: parent, ownerId, clock, realtime = null, killGroup } = options;
    const cgroups = await CgroupTree.open({ parent, ownerId, clock, hasOtherRuntimes, realtime, killGroup });
    const runtime = new LocalRuntime(options, cgroups);
    await runtime.#recover();
    return runtime;
  }

  /** Containers and shims live on. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { volumes, spawner, cgroups } = this.#tools;
    const containers = this.#containers.all();
    await this.#sending[Symbol.asyncDispose]();
    await this.files.end();
    for (const container of containers) container.detach();
    await volumes[Symbol.asyncDispose]();
    await spawner.close();
    if (containers.every((container) => container.info.state !== "running")) await cgroups.close();
  }

  /** Process id of the spawner; 0 before the first start. */
  get spawnerPid(): number {
    return this.#tools.spawner.pid;
  }

  onChange(listener: ContainerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(asked: ContainerConfig): Promise<void> {
    const { images, defaultLog, runtimes = OWN_RUNTIME_ONLY, clock } = this.#options;
    const { config, imageId, process } = await resolveContainer(asked, { images, defaultLog, runtimes });
    requireMaps(config, this.#userRemap);
    await this.#tools.seccompOf(config);
    const paths = containerPaths(this.#options, config.id);
    containerLogOf({ config, imageId, process }, paths);
    const release = this.#containers.reserve(config);
    try {
      await this.#make({ version: 1, config, imageId, process, createdAtMs: clock.now() }, paths);
    } finally {
      release();
    }
  }

  async start(id: string): Promise<void> {
    await this.files.written(id);
    const container = this.#get(id);
    const layers = this.#layersOf(container.record.imageId);
    const initPath = join(dirname(this.#options.shimPath), "swarm-init");
    const { config } = container.record;
    const joined = joinedContainers(config, (other) => this.#joinable(other));
    await container.start({ layers, initPath, joined, maps: requireMaps(config, this.#userRemap) });
  }

  attach(id: string, streams: StreamChoice): Attachment {
    return this.#get(id).attach(streams);
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    this.#get(id).resize(size);
  }

  exec(id: string, config: ExecConfig): Promise<ExecProcess> {
    return this.#get(id).exec(config);
  }

  pause(id: string, { isBrief = false }: { readonly isBrief?: boolean } = {}): Promise<void> {
    return this.#get(id).pause(isBrief);
  }

  unpause(id: string): Promise<void> {
    return this.#get(id).unpause();
  }

  async update(id: string, change: ContainerChanges | ChangePlan): Promise<void> {
    const container = this.#get(id);
    const name = typeof change === "function" ? undefined : change.name;
    if (name === undefined || name === container.record.config.name) return container.update(change);
    requireName(name);
    const release = this.#containers.reserveName(name);
    try {
      await container.update(change);
    } finally {
      release();
    }
  }

  get abilities(): ResourceAbilities {
    return this.#tools.cgroups.abilities;
  }

  async usage(id: string): Promise<ContainerUsage> {
    const container = this.#get(id);
    const { pid } = container.info;
    return pid === 0 ? NO_USAGE : readUsage(await container.cgroups(), pid);
  }

  async processes(id: string): Promise<readonly number[]> {
    const container = this.#get(id);
    return container.info.state === "running" ? readProcesses(await container.cgroups()) : [];
  }

  async kill(id: string, signal: string): Promise<void> {
    await this.#get(id).kill(signalNumber(signal));
  }

  async stop(id: string, gracePeriodMs: number, signal = ""): Promise<void> {
    await this.#get(id).stop(gracePeriodMs, signal);
  }

  wait(id: string, signal?: AbortSignal): Promise<ContainerExit> {
    const { info, ended } = this.#get(id);
    if (info.exit !== null) return Promise.resolve(info.exit);
    return signal === undefined ? ended : this.#endOf(id, signal);
  }

  /** Leaves nothing behind: a container may run for years, and be waited for again and again meanwhile. */
  #endOf(id: string, signal: AbortSignal): Promise<ContainerExit> {
    return new Promise((resolve, reject) => {
      const stop = this.onChange((change, { config, exit }) => {
        if (config.id !== id || (change !== "exit" && change !== "remove")) return;
        detach();
        stop();
        if (change === "exit" && exit !== null) resolve(exit);
        else reject(new ClusterError("not_found", `No such container: ${id}`));
      });
      const detach = onAbort(signal, () => {
        stop();
        reject(signal.reason);
      });
    });
  }

  async remove(id: string, options: RemoveOptions = {}): Promise<void> {
    const container = this.#get(id);
    if (container.info.state === "running" && options.force !== true) {
      throw new ClusterError("failed_precondition", `container ${id} is running: stop it before removing it, or force`);
    }
    if (container.log.plan.forwarding !== null) {
      await container.stop(0);
      await this.#sending.forget(id);
    }
    await container.dispose(() => this.files.end(id));
    if (!this.#containers.delete(id)) return;
    this.#tell("remove", container.info);
    const { volumes } = this.#tools;
    await volumes.leave(id);
    await volumes.release(container.record.config, { withAnonymous: options.volumes === true });
  }

  inspect(reference: string): ContainerInfo | undefined {
    return this.#containers.find(reference)?.info;
  }

  list(): readonly ContainerInfo[] {
    return this.#containers.all().map((container) => container.info);
  }

  leftAlone(): readonly DamagedContainer[] {
    return this.#leftAlone;
  }

  logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncIterable<LogLine> {
    const container = this.#get(id);
    return readContainerLog(container.log, options, (call) => this.#onEnd(container, call), signal);
  }

  /** Of the run that there is, or comes next; a container that is removed instead has ended. */
  #onEnd(container: LocalContainer, call: () => void): () => void {
    if (container.info.state !== "exited") {
      return this.onChange((change, { config }) => {
        if (config.id === container.info.config.id && (change === "exit" || change === "remove")) call();
      });
    }
    call();
    return () => undefined;
  }

  #get(id: string): LocalContainer {
    return this.#containers.get(id);
  }

  /** Folders, uppermost first. */
  #layersOf(imageId: string): readonly string[] {
    return [mountPointsFolder(this.#options.dataRoot), ...this.#options.images.layerFolders(imageId)];
  }

  /** Leaves nothing when it fails. */
  async #make(planned: ContainerRecord, paths: ContainerPaths): Promise<void> {
    const { volumes } = this.#tools;
    const mounts = await volumes.acquire(planned.config, this.#layersOf(planned.imageId));
    const record = { ...planned, config: { ...planned.config, mounts } };
    try {
      await mkdir(paths.folder, { mode: 0o710 });
      // Also before the first start: files of it may be copied.
      await writeEtcFiles(paths.folder, record.config, { hostname: record.process.hostname, hostGateway: this.#options.hostGateway });
      await writeRecord(paths.record, record);
      // The image may have been removed meanwhile: from here on it is in use.
      this.#layersOf(planned.imageId);
      const container = new LocalContainer(record, paths, this.#tools);
      this.#containers.add(container);
      this.#tell("create", container.info);
    } catch (cause) {
      await rm(paths.folder, { recursive: true, force: true });
      await volumes.release(record.config, { withAnonymous: true });
      throw cause;
    }
  }

  get #userRemap(): UserRemap | null {
    return this.#options.userRemap ?? null;
  }

  #joinable(id: string): Joinable | undefined {
    if (!this.#containers.has(id)) return undefined;
    const { info, paths } = this.#containers.get(id);
    return { info, etcFile: paths.etcFile };
  }

  #tell(change: ContainerChange, info: ContainerInfo): void {
    const { id } = info.config;
    if (change === "start" || change === "exit") this.#sendLog(id);
    if (change === "exit") this.#tools.volumes.leaveUnwatched(id);
    for (const listener of this.#listeners) listener(change, info);
  }

  #sendLog(id: string): void {
    if (!this.#containers.has(id)) return;
    const { log, info } = this.#containers.get(id);
    if (info.state !== "created") this.#sending.begin(log, info.state === "exited");
  }

  async #recover(): Promise<void> {
    const { dataRoot, execRoot, logger } = this.#options;
    const sweep = new ContainerSweep({ ...this.#tools, execRoot, logger });
    const folder = containersFolder(dataRoot);
    const recoverOrRemove = async (id: string) => {
      try {
        if (await this.#recoverOne(id)) return;
      } catch (cause) {
        // What somebody wrote in it is theirs, and may be had again when the record is.
        this.#leftAlone.push({ id, createdAtMs: (await stat(join(folder, id))).birthtimeMs });
        const what = "a container is left alone: put the right record back, or remove its folder, and start the daemon again";
        logger.error({ container: id, folder: join(folder, id), err: cause }, what);
        return;
      }
      logger.warn({ container: id }, "a container without a record is removed");
      await sweep.endShim(id);
      await removeFolder(join(folder, id));
    };
    const limiter = new Limiter(RECOVERED_AT_ONCE);
    await Promise.all((await readdir(folder)).map((id) => limiter.run(() => recoverOrRemove(id))));
    await sweep.run([...this.list().map(({ config }) => config.id), ...this.#leftAlone.map(({ id }) => id)]);
    await this.#tools.volumes.settle();
  }

  /** False when there is nothing to recover. */
  async #recoverOne(id: string): Promise<boolean> {
    const paths = containerPaths(this.#options, id);
    const record = await readRecord(paths.record);
    if (record === null) return false;
    const container = new LocalContainer(record, paths, this.#tools);
    const { config } = container.record;
    assert(config.id === id, `folder ${paths.folder} holds the container of its name`);
    await container.recover();
    this.#containers.add(container);
    this.#tools.volumes.recover(config, container.info.state === "running");
    this.#sendLog(id);
    return true;
  }
}
