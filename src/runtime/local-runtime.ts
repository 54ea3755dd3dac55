import { existsSync } from "node:fs";
import { access, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../base/clock.js";
import { assert } from "../base/assert.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { ContainerVolumes } from "../volumes/volume-store.js";
import { requireBindSource } from "./bind-source.js";
import { CgroupTree } from "./cgroup-tree.js";
import { containerPaths, containersFolder, EXEC_PREFIX, mountPointsFolder, shortName, socketsFolder } from "./container-paths.js";
import { readRecord, writeRecord } from "./container-record.js";
import { capabilitiesOf, hasCapability } from "./capabilities.js";
import { acquireVolumes, removeAnonymous, volumeUses } from "./container-volumes.js";
import { NO_USAGE, readProcesses, readUsage } from "./container-usage.js";
import type {
  Attachment,
  ContainerChange,
  ContainerChangeListener,
  ContainerChanges,
  ContainerConfig,
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
import { planDevices } from "./devices.js";
import { writeEtcFiles } from "./etc-files.js";
import type { ImageStore } from "./image-store.js";
import { containerLogOf } from "./logs/container-log.js";
import { codecOf } from "./logs/log-codec.js";
import { type LogConfig, withDefaultLog } from "./logs/log-plan.js";
import { readLog } from "./logs/log-reader.js";
import { LogSending } from "./logs/log-sending.js";
import { makeMountPoints } from "./mount-points.js";
import { encodeFilesView, validateLaunch } from "./launch-request.js";
import { withImageVolumes } from "./mount-plan.js";
import { type ContainerTools, LocalContainer } from "./local-container.js";
import { type FilesOf, LocalFiles } from "./local-files.js";
import { type OciRuntimes, OWN_RUNTIME, OWN_RUNTIME_ONLY } from "./oci-runtimes.js";
import { OtherRuntimes } from "./other-runtime.js";
import { planProcess } from "./process-config.js";
import { DEFAULT_PROFILE } from "./seccomp/default-policy.js";
import { SeccompFilters } from "./seccomp/filters.js";
import { ociSeccomp } from "./seccomp/oci-seccomp.js";
import { parseSeccompProfile } from "./seccomp/parse-profile.js";
import { flagBits, policyText, subjectOnThisMachine } from "./seccomp/profile.js";
import { ShimConnection } from "./shim-connection.js";
import { signalNumber } from "./signals.js";
import { Spawner } from "./spawner.js";

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
  /** Beside our own; none when left out. */
  readonly runtimes?: OciRuntimes;
  /** Sends one datagram to a unix socket (Kernel.sendDatagram). */
  readonly sendDatagram: (path: string, data: Uint8Array) => void;
  /** Driver and options of containers that name none. */
  readonly defaultLog: LogConfig;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Containers under swarm-shim. Nothing here is lost with the daemon: `open` finds records, living shims and the exits that happened meanwhile. */
export class LocalRuntime implements ContainerRuntime {
  readonly #options: LocalRuntimeOptions;
  readonly #cgroups: CgroupTree;
  readonly #spawner: Spawner;
  readonly #tools: ContainerTools;
  readonly #filters: SeccompFilters;
  readonly #otherRuntimes: OtherRuntimes;
  readonly files: LocalFiles;
  #fileUsers = 0;
  readonly #sending: LogSending;
  readonly #containers = new Map<string, LocalContainer>();
  /** Ids and names that are being created, before they are in #containers. */
  readonly #reserved = new Set<string>();
  readonly #listeners = new Set<ContainerChangeListener>();
  /** Volumes that containers which ended are leaving. */
  readonly #leaving = new Set<Promise<void>>();

  private constructor(options: LocalRuntimeOptions, cgroups: CgroupTree) {
    this.#options = options;
    this.#cgroups = cgroups;
    this.#spawner = new Spawner({ shimPath: options.shimPath, cgroupArguments: cgroups.spawnerArguments, logger: options.logger });
    this.#filters = new SeccompFilters({ folder: join(options.execRoot, "seccomp"), compilerPath: join(dirname(options.shimPath), "swarm-seccomp") });
    this.files = new LocalFiles({
      program: join(dirname(options.shimPath), "swarm-files"),
      container: (id) => this.#filesOf(id),
      has: (id) => this.#containers.has(id),
      logger: options.logger,
    });
    const { execRoot, clock, volumes, runtimes = OWN_RUNTIME_ONLY } = options;
    const seccompOf = (config: ContainerConfig) => this.#seccompOf(config);
    const compressorPath = join(dirname(options.shimPath), "swarm-compress");
    this.#sending = new LogSending({ clock, logger: options.logger, sendDatagram: options.sendDatagram });
    this.#otherRuntimes = new OtherRuntimes({ runtimes, execRoot, seccompOf: ociSeccompOf });
    this.#tools = {
      cgroups,
      otherRuntimes: this.#otherRuntimes,
      spawner: this.#spawner,
      volumes,
      clock,
      execRoot,
      compressorPath,
      seccompOf,
      onChange: (change, info) => this.#tell(change, info),
    };
  }

  /** Throws `failed_precondition` when the machine cannot run containers, with what is missing. */
  static async open(options: LocalRuntimeOptions): Promise<LocalRuntime> {
    if (!existsSync(options.shimPath)) throw new ClusterError("failed_precondition", `${options.shimPath} does not exist (npm run build makes it)`);
    await mkdir(containersFolder(options.dataRoot), { recursive: true, mode: 0o710 });
    await mkdir(socketsFolder(options.execRoot), { recursive: true, mode: 0o700 });
    await makeMountPoints(mountPointsFolder(options.dataRoot));
    const hasOtherRuntimes = Object.keys(options.runtimes?.byName ?? {}).length > 0;
    const cgroups = await CgroupTree.open({ parent: options.cgroupParent, ownerId: options.ownerId, clock: options.clock, hasOtherRuntimes });
    const runtime = new LocalRuntime(options, cgroups);
    await runtime.#recover();
    return runtime;
  }

  /** Containers and shims live on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sending[Symbol.asyncDispose]();
    await this.files.end();
    for (const container of this.#containers.values()) container.detach();
    await Promise.all(this.#leaving);
    await this.#spawner.close();
    if ([...this.#containers.values()].every((container) => container.info.state !== "running")) await this.#cgroups.close();
  }

  /** Process id of the spawner; 0 before the first start. */
  get spawnerPid(): number {
    return this.#spawner.pid;
  }

  onChange(listener: ContainerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(asked: ContainerConfig): Promise<void> {
    const image = this.#options.images.resolve(asked.image);
    if (image === undefined) throw new ClusterError("not_found", `No such image: ${asked.image}`);
    const log = withDefaultLog(asked.log, this.#options.defaultLog);
    const config = { ...asked, log, runtime: this.#runtimeNameOf(asked), mounts: withImageVolumes(asked.mounts, image.config.volumes) };
    const layers = this.#options.images.layerFolders(image.id);
    if (!/^[0-9a-f]{64}$/.test(config.id)) throw new ClusterError("invalid_argument", `container id ${config.id} is not 64 hexadecimal characters`);
    requireName(config.name);
    const process = planProcess(config, image.config);
    validateLaunch(config, process, layers);
    await this.#seccompOf(config);
    // Both refuse what cannot be: devices that are none, a runtime that is not configured.
    await planDevices(config);
    this.#otherRuntimes.of(config);
    for (const mount of config.mounts) if (mount.type === "bind") await requireBindSource(mount);
    const paths = containerPaths(this.#options, config.id);
    containerLogOf({ config, imageId: image.id, process }, paths);
    this.#reserve(config);
    let mounts: ContainerConfig["mounts"] = [];
    try {
      mounts = await acquireVolumes(this.#options.volumes, config, [mountPointsFolder(this.#options.dataRoot), ...layers]);
      await mkdir(paths.folder, { mode: 0o710 });
      await writeEtcFiles(paths.folder, config, process.hostname);
      const record = { version: 1, config: { ...config, mounts }, imageId: image.id, process, createdAtMs: this.#options.clock.now() } as const;
      await writeRecord(paths.record, record);
      const container = new LocalContainer(record, paths, this.#tools);
      this.#containers.set(config.id, container);
      this.#tell("create", container.info);
    } catch (cause) {
      await rm(paths.folder, { recursive: true, force: true });
      this.#options.volumes.release(config.id);
      await removeAnonymous(this.#options.volumes, mounts);
      throw cause;
    } finally {
      this.#reserved.delete(config.id);
      this.#reserved.delete(config.name);
    }
  }

  async start(id: string): Promise<void> {
    await this.files.written(id);
    const container = this.#get(id);
    const layers = this.#layersOf(container);
    const initPath = join(dirname(this.#options.shimPath), "swarm-init");
    await container.start({ layers, initPath, joined: this.#joinedBy(container.record.config) });
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

  pause(id: string): Promise<void> {
    return this.#get(id).pause();
  }

  unpause(id: string): Promise<void> {
    return this.#get(id).unpause();
  }

  async update(id: string, change: ContainerChanges): Promise<void> {
    const container = this.#get(id);
    const { name } = change;
    if (name !== undefined && name !== container.record.config.name) {
      requireName(name);
      this.#reserveName(name);
    }
    try {
      await container.update(change);
    } finally {
      if (name !== undefined) this.#reserved.delete(name);
    }
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
    if (signal === undefined) return ended;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      ended.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
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
    await this.#options.volumes.leave(id);
    this.#options.volumes.release(id);
    if (options.volumes === true) await removeAnonymous(this.#options.volumes, container.record.config.mounts);
  }

  inspect(reference: string): ContainerInfo | undefined {
    const exact = this.#containers.get(reference) ?? [...this.#containers.values()].find((container) => container.record.config.name === reference);
    if (exact !== undefined) return exact.info;
    if (!/^[0-9a-f]+$/.test(reference)) return undefined;
    const matches = [...this.#containers.values()].filter((container) => container.record.config.id.startsWith(reference));
    if (matches.length > 1) throw new ClusterError("invalid_argument", `${reference} is the beginning of ${matches.length} container ids`);
    return matches[0]?.info;
  }

  list(): readonly ContainerInfo[] {
    return [...this.#containers.values()].map((container) => container.info);
  }

  logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncIterable<LogLine> {
    const container = this.#get(id);
    // A container that was not started yet can be followed too; one that is removed instead has ended.
    const done = () => undefined;
    const ended = container.info.state === "exited" ? Promise.resolve() : container.ended.then(done, done);
    const { plan, path } = container.log;
    if (plan.format === "none" || !plan.isReadable) throw new ClusterError("unimplemented", NOT_READABLE);
    return withAttributes(readLog(path, codecOf(plan.format), options, ended, signal), plan.attributes);
  }

  #get(id: string): LocalContainer {
    const container = this.#containers.get(id);
    if (container === undefined) throw new ClusterError("not_found", `No such container: ${id}`);
    return container;
  }

  /** Folders, uppermost first. */
  #layersOf({ record }: LocalContainer): readonly string[] {
    return [mountPointsFolder(this.#options.dataRoot), ...this.#options.images.layerFolders(record.imageId)];
  }

  #filesOf(id: string): FilesOf {
    const container = this.#get(id);
    const { record, paths } = container;
    return {
      settled: () => container.settled(),
      ended: container.ended,
      upper: paths.upper,
      user: record.process.user,
      useVolumes: async () => {
        const { volumes } = this.#options;
        const uses = container.info.pid === 0 ? volumeUses(record.config) : [];
        // Beside what the container itself uses, which may be started meanwhile.
        const containerId = `${id}-files-${++this.#fileUsers}`;
        try {
          for (const use of uses) await volumes.use({ ...use, containerId });
        } catch (cause) {
          await volumes.leave(containerId);
          throw cause;
        }
        return async () => {
          if (uses.length > 0) await volumes.leave(containerId);
        };
      },
      view: async () => {
        // What is not there any more hides nothing.
        const present = await Promise.all(record.config.mounts.map((mount) => mount.type === "tmpfs" || isThere(mount.source)));
        const config = { ...record.config, mounts: record.config.mounts.filter((_, index) => present[index]) };
        const { pid } = container.info;
        const running = pid === 0 ? null : { pid, group: `/${shortName(id)}` };
        return encodeFilesView({ config, paths, layers: this.#layersOf(container), running });
      },
    };
  }

  #reserve({ id, name }: ContainerConfig): void {
    if (this.#reserved.has(id) || this.#containers.has(id)) throw new ClusterError("already_exists", `container id ${id} is already in use`);
    this.#reserveName(name);
    this.#reserved.add(id);
  }

  #reserveName(name: string): void {
    const owner = [...this.#containers.values()].find((container) => container.record.config.name === name)?.record.config.id;
    if (owner === undefined && !this.#reserved.has(name)) {
      this.#reserved.add(name);
      return;
    }
    const by = owner === undefined ? "" : ` by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`;
    throw new ClusterError("already_exists", `Conflict. The container name "/${name}" is already in use${by}`);
  }

  async #seccompOf(config: ContainerConfig) {
    const found = profileOf(config);
    if (found === null) return null;
    return { path: await this.#filters.fileFor(policyText(found.profile, found.subject)), flags: flagBits(found.profile) };
  }

  /** The default of now holds for the container's life. */
  #runtimeNameOf({ runtime }: ContainerConfig): string {
    const name = runtime || (this.#options.runtimes ?? OWN_RUNTIME_ONLY).defaultName;
    return name === OWN_RUNTIME ? "" : name;
  }

  #joinedBy({ network }: ContainerConfig) {
    if (network === null || network === "host" || !("container" in network)) return null;
    const joined = this.#containers.get(network.container);
    if (joined === undefined) throw new ClusterError("failed_precondition", `joining network namespace of container: No such container: ${network.container}`);
    if (joined.info.state !== "running") {
      throw new ClusterError("failed_precondition", `cannot join network of a non running container: ${network.container}`);
    }
    return { pid: joined.info.pid, etcFile: joined.paths.etcFile };
  }

  #tell(change: ContainerChange, info: ContainerInfo): void {
    if (change === "start" || change === "exit") this.#sendLog(info.config.id);
    if (change === "exit") this.#leaveVolumes(info.config.id);
    for (const listener of this.#listeners) listener(change, info);
  }

  #sendLog(id: string): void {
    const container = this.#containers.get(id);
    if (container !== undefined && container.info.state !== "created") this.#sending.begin(container.log, container.info.state === "exited");
  }

  /** The next start waits for it, volume by volume. */
  #leaveVolumes(id: string): void {
    const leaving = this.#options.volumes
      .leave(id)
      .catch((cause: unknown) => this.#options.logger.error({ err: cause, container: id }, "a volume of a container that ended could not be unmounted"))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #recover(): Promise<void> {
    const folder = containersFolder(this.#options.dataRoot);
    for (const id of await readdir(folder)) {
      try {
        await this.#recoverOne(id);
      } catch (cause) {
        this.#options.logger.warn({ container: id, err: cause }, "a container without a readable record is removed");
        await this.#sweepShim(id);
        await rm(join(folder, id), { recursive: true, force: true });
      }
    }
    await this.#sweep();
    await this.#options.volumes.settle();
  }

  async #recoverOne(id: string): Promise<void> {
    const paths = containerPaths(this.#options, id);
    const container = new LocalContainer(await readRecord(paths.record), paths, this.#tools);
    assert(container.record.config.id === id, `folder ${paths.folder} holds the container of its name`);
    await container.recover();
    this.#containers.set(id, container);
    for (const use of volumeUses(container.record.config)) {
      this.#options.volumes.hold(id, use.name);
      if (container.info.state === "running") this.#options.volumes.resume(use);
    }
    this.#sendLog(id);
  }

  /** Ends and removes what carries this owner's name and belongs to no container. */
  async #sweep(): Promise<void> {
    const known = new Set([...this.#containers.keys()].map(shortName));
    const sockets = await readdir(socketsFolder(this.#options.execRoot));
    await this.#otherRuntimes.sweep(new Set(sockets.map((file) => file.replace(/\.sock$/, ""))));
    for (const file of sockets) {
      // A program that somebody ran in a container goes on, and its shim removes the socket with its end.
      if (file.startsWith(EXEC_PREFIX) && (await this.#isAlive(join(socketsFolder(this.#options.execRoot), file)))) continue;
      const name = file.replace(/\.sock$/, "");
      if (!known.has(name)) await this.#sweepShim(name);
    }
    for (const name of await this.#cgroups.names()) {
      if (known.has(name)) continue;
      this.#options.logger.warn({ cgroup: name }, "a cgroup without a container is removed");
      await this.#cgroups.remove(name);
    }
  }

  async #isAlive(socket: string): Promise<boolean> {
    const connection = await ShimConnection.open(socket, { onRunning: () => undefined, onOutcome: () => undefined });
    connection?.close();
    return connection !== null;
  }

  async #sweepShim(id: string): Promise<void> {
    const { socket } = containerPaths(this.#options, id);
    const connection = await ShimConnection.open(socket, { onRunning: () => undefined, onOutcome: () => undefined });
    if (connection !== null) {
      await connection
        .kill(9)
        .catch((cause: unknown) =>
          this.#options.logger.warn({ container: id, reason: messageOf(cause) }, "a shim without a container did not take the signal"),
        );
      await connection.closed;
    }
    await rm(socket, { force: true });
  }
}

function ociSeccompOf(config: ContainerConfig): object | null {
  const found = profileOf(config);
  return found === null ? null : ociSeccomp(found.profile, found.subject);
}

/** The policy that filters a container's system calls; null for none. */
function profileOf(config: ContainerConfig) {
  if (config.isPrivileged || config.seccomp === "unconfined") return null;
  const profile = config.seccomp === "default" ? DEFAULT_PROFILE : parseSeccompProfile(config.seccomp.profile);
  const capabilities = capabilitiesOf(config);
  return { profile, subject: subjectOnThisMachine((name) => hasCapability(capabilities, name)) };
}

async function* withAttributes(lines: AsyncIterable<LogLine>, attributes: LogLine["attributes"]): AsyncGenerator<LogLine> {
  for await (const line of lines) yield { ...line, attributes };
}

/** Docker's words. */
const NOT_READABLE = "configured logging driver does not support reading";

function requireName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]+$/.test(name)) return;
  throw new ClusterError("invalid_argument", `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
