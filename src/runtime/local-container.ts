import { rm, stat, writeFile } from "node:fs/promises";
import { type Deferred, deferred } from "../base/deferred.js";
import { readTextIfThere } from "../base/durable-file.js";
import { ClusterError, isClusterError, systemCodeOf } from "../base/errors.js";
import { removeFolder } from "../base/remove-folder.js";
import { type CgroupPlan, withGroupsOfHost } from "./cgroup-plan.js";
import type { ContainerResources } from "./container-config.js";
import { type ContainerPaths, shortName } from "./container-paths.js";
import { type ContainerRecord, writeRecord } from "./container-record.js";
import type {
  Attachment,
  ChangePlan,
  ContainerChanges,
  ContainerExit,
  ContainerInfo,
  ExecConfig,
  ExecProcess,
  StreamChoice,
  TerminalSize,
} from "./container-runtime.js";
import type { ContainerTools } from "./container-tools.js";
import { planDevices } from "./devices.js";
import { withDeviceNumbers } from "./disk-limits.js";
import { writeEtcFiles } from "./etc-files.js";
import { isFrozen, isGone, setFrozen } from "./freezing.js";
import type { Launch } from "./launch.js";
import { encodeLaunch } from "./launch-request.js";
import { changeLimits, mayHaveLateGroups } from "./live-limits.js";
import { containerLogOf } from "./logs/container-log.js";
import type { ForwardedLog } from "./logs/log-sending.js";
import { requireRealtime } from "./realtime-budget.js";
import { runInContainer } from "./run-in-container.js";
import { type Outcome, readOutcome } from "./shim/exit-record.js";
import { ShimConnection } from "./shim/shim-connection.js";
import { attachToShim, PendingAttachments } from "./shim/shim-stream.js";
import { signalNumber } from "./signals.js";
import { isInHosts } from "./sysctls.js";

/** Exit code of a program whose end nobody saw: as after SIGKILL. */
const EXIT_CODE_UNKNOWN = 137;
const SIGKILL = 9;

type State =
  | { readonly type: "created" }
  | { readonly type: "starting"; readonly result: Deferred<void> }
  | { readonly type: "running"; readonly pid: number }
  | { readonly type: "exited"; readonly exit: ContainerExit };

/** What a start needs that is not the container's own. */
export type LaunchSurroundings = Pick<Launch, "layers" | "joined" | "initPath" | "maps">;

/** One container and the connection to its shim. Invariant: there is a connection if and only if a shim may be alive. */
export class LocalContainer {
  #record: ContainerRecord;
  /** What the record says of the log; null until it is asked for. */
  #log: ForwardedLog | null = null;
  readonly paths: ContainerPaths;
  readonly #tools: ContainerTools;
  #state: State = { type: "created" };
  #startedAtMs = 0;
  #connection: ShimConnection | null = null;
  #isPaused = false;
  /** Stays when it was removed. */
  #isBeingRemoved = false;
  /** Settles when no change of its settings is under way. */
  #lastUpdate: Promise<void> = Promise.resolve();
  readonly #pending = new PendingAttachments();
  #ended = newEnd();
  /** Counts starts, and the end of our interest: what an earlier shim's connection still tells is not about this run. */
  #run = 0;
  /** Settles when the last shim is gone and its end is known. */
  #gone: Promise<void> = Promise.resolve();

  constructor(record: ContainerRecord, paths: ContainerPaths, tools: ContainerTools) {
    this.#record = record;
    this.paths = paths;
    this.#tools = tools;
  }

  get log(): ForwardedLog {
    this.#log ??= containerLogOf(this.#record, this.paths);
    return this.#log;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get info(): ContainerInfo {
    const state = this.#state;
    const { log } = this;
    return {
      config: this.record.config,
      imageId: this.record.imageId,
      createdAtMs: this.record.createdAtMs,
      state: state.type === "starting" ? "created" : state.type,
      isPaused: state.type === "running" && this.#isPaused,
      pid: state.type === "running" ? state.pid : 0,
      startedAtMs: this.#startedAtMs,
      exit: state.type === "exited" ? state.exit : null,
      args: this.record.process.args,
      logPath: log.plan.format === "none" ? "" : log.path,
      stopSignal: this.record.process.stopSignal,
      isLogReadable: log.plan.isReadable,
      health: this.record.process.health,
    };
  }

  /** Resolves with the exit of the current or last run, not before there was one; rejects with `not_found` when it is removed instead. */
  get ended(): Promise<ContainerExit> {
    return this.#ended.promise;
  }

  /** It was removed, or is about to be. */
  get isBeingRemoved(): boolean {
    return this.#isBeingRemoved;
  }

  /** Throws `conflict` when it was removed, or is about to be. */
  requireKept(consequence: string): void {
    if (this.#isBeingRemoved) throw new ClusterError("conflict", `Container ${this.record.config.id} is marked for removal and ${consequence}`);
  }

  /** Resolves when it is not being started. */
  async settled(): Promise<void> {
    while (this.#state.type === "starting") await this.#state.result.promise.catch(() => undefined);
  }

  /** Finds out what became of it while no daemon was there. */
  async recover(): Promise<void> {
    if (await this.#connect()) {
      // The shim tells its state at once, or when the program that is being started was executed.
      const result = deferred<void>();
      this.#state = { type: "starting", result };
      await result.promise.catch(() => undefined);
      this.#isPaused = await this.#readFrozen();
      if (this.#isPaused && (await readTextIfThere(this.paths.briefPause)) !== undefined) await this.#setFrozen(false);
      return;
    }
    const outcome = await readOutcome(this.paths.exit);
    if (outcome !== null) this.#onOutcome(outcome);
    else await this.#concludeUnknown();
    if (this.#state.type === "exited") await this.#tools.cgroups.remove(shortName(this.record.config.id));
  }

  async start(surroundings: LaunchSurroundings): Promise<void> {
    const state = this.#state;
    this.requireKept("cannot be started");
    // Another start is under way: what comes of it comes of this one.
    if (state.type === "starting") return state.result.promise;
    if (state.type === "running") throw new ClusterError("failed_precondition", `container ${this.record.config.name} is already running`);
    const result = deferred<void>();
    // It may fail before it is awaited below.
    result.promise.catch(() => undefined);
    this.#state = { type: "starting", result };
    this.#run++;
    this.#isPaused = false;
    const attachers = this.#pending.take();
    try {
      await this.#gone;
      if (state.type === "exited") this.#ended = newEnd();
      await this.#launch(surroundings, attachers.count);
      await attachers.connect(this.paths.socket);
      await result.promise;
    } catch (cause) {
      if (this.#state.type === "starting") this.#state = state;
      attachers.reject(cause);
      if (this.info.state !== "running") await this.#tools.volumes.leave(this.record.config.id);
      throw cause;
    }
  }

  async kill(signal: number): Promise<void> {
    if (this.#state.type !== "running" || this.#connection === null) throw this.#notRunning();
    await this.#connection.kill(signal);
    // What is frozen does not see its end where version 1 freezes.
    if (signal === SIGKILL && this.#isPaused) await this.#setFrozen(false);
  }

  attach(streams: StreamChoice): Attachment {
    if (this.#state.type !== "running") return this.#pending.add(streams);
    const stream = attachToShim(this.paths.socket, streams);
    const cancel = () => stream.then((open) => open.destroy()).catch(() => undefined); // Nothing to give up: whoever waits hears why.
    // It may fail before somebody waits: a log is shown first.
    stream.catch(() => undefined);
    return { stream, cancel };
  }

  resize({ rows, columns }: TerminalSize): void {
    if (this.#state.type !== "running" || this.#connection === null) throw this.#notRunningConflict();
    this.#connection.resize(rows, columns);
  }

  async exec(config: ExecConfig): Promise<ExecProcess> {
    const state = this.#state;
    if (state.type !== "running") throw this.#notRunningConflict();
    if (this.#isPaused) throw new ClusterError("conflict", `Container ${this.record.config.id} is paused, unpause the container before exec`);
    return runInContainer(this.#tools, { record: this.record, pid: state.pid, cgroups: await this.cgroups() }, config);
  }

  async pause(isBrief: boolean): Promise<void> {
    if (this.#state.type !== "running") throw this.#notRunningConflict();
    if (this.#isPaused) throw new ClusterError("conflict", `Container ${this.record.config.id} is already paused`);
    // Before it: what is frozen without a note stays so.
    if (isBrief) await writeFile(this.paths.briefPause, "");
    else await rm(this.paths.briefPause, { force: true });
    await this.#setFrozen(true);
    this.#tools.onChange("pause", this.info);
  }

  async unpause(): Promise<void> {
    if (this.#state.type !== "running" || !this.#isPaused) throw new ClusterError("conflict", `Container ${this.record.config.id} is not paused`);
    await this.#setFrozen(false);
    this.#tools.onChange("unpause", this.info);
  }

  /** Resources hold at once, everything else from the next start on. One change at a time: each is made of what the last one left. */
  update(change: ContainerChanges | ChangePlan): Promise<void> {
    const done = this.#lastUpdate.then(() => this.#update(typeof change === "function" ? change(this.record.config) : change));
    // One that fails does not keep the next from its turn.
    this.#lastUpdate = done.catch(() => undefined);
    return done;
  }

  async #update(change: ContainerChanges | null): Promise<void> {
    if (change === null) return;
    this.requireKept("cannot be updated");
    const record = { ...this.record, config: { ...this.record.config, ...change } };
    if (change.resources !== undefined && this.#state.type === "running") {
      await changeLimits(this.#tools.cgroups, await this.cgroups(await withDeviceNumbers(change.resources))).catch(ignoreGoneGroups);
    }
    await writeRecord(this.paths.record, record);
    this.#record = record;
    this.#log = null;
    this.#tools.onChange("update", this.info);
  }

  /** The groups that it has, or will have. */
  async cgroups(resources = this.record.config.resources): Promise<CgroupPlan> {
    const { config } = this.record;
    // Which groups it has does not depend on what rules of its own it has, whose devices may be gone by now.
    const hasOwnDevices = config.isPrivileged || config.devices.length > 0;
    return this.#planCgroups(resources, hasOwnDevices ? "all" : null);
  }

  #planCgroups(resources: ContainerResources, devices: readonly string[] | "all" | null): CgroupPlan {
    const { config } = this.record;
    return this.#tools.cgroups.plan(shortName(config.id), resources, devices, this.#tools.otherRuntimes.of(config) !== null);
  }

  /** An empty signal is its own stop signal. */
  async stop(gracePeriodMs: number, signal = ""): Promise<void> {
    const first = signalNumber(signal || this.record.process.stopSignal);
    if (this.#state.type === "starting") await this.#state.result.promise.catch(() => undefined);
    if (this.#state.type !== "running") return;
    const failed = deferred<never>();
    const cancel = this.#tools.clock.after(gracePeriodMs, () => this.#killIfRunning(SIGKILL).catch(failed.reject));
    try {
      await this.#killIfRunning(first);
      await Promise.race([this.ended, failed.promise]);
    } finally {
      cancel();
    }
  }

  /** Ends it if need be, waits for its shim, and removes cgroups and files. From the call on it cannot be started; `release` ends what others do with its files. */
  async dispose(release: () => Promise<void>): Promise<void> {
    this.#isBeingRemoved = true;
    try {
      await release();
      await this.#lastUpdate;
      await this.#dispose();
    } catch (cause) {
      this.#isBeingRemoved = false;
      throw cause;
    }
  }

  async #dispose(): Promise<void> {
    if (this.#state.type === "starting") {
      // Setting up may hang (a mount of a file system whose server is gone): nobody wants its result any more.
      const { result } = this.#state;
      await this.#connection?.kill(SIGKILL).catch(() => undefined);
      await result.promise.catch(() => undefined);
    }
    if (this.#state.type === "running") await this.#killIfRunning(SIGKILL);
    await this.#gone;
    await this.#tools.cgroups.remove(shortName(this.record.config.id));
    await this.#tools.otherRuntimes.forget(this.record.config.id);
    // The record first: a folder without one is swept should the daemon end meanwhile.
    await rm(this.paths.record, { force: true });
    await removeFolder(this.paths.folder);
    await rm(this.paths.socket, { force: true });
    this.#pending.take().reject(new ClusterError("not_found", `No such container: ${this.record.config.id}`));
    this.#ended.reject(new ClusterError("not_found", `No such container: ${this.record.config.id}`));
  }

  /** Forgets the shim without touching it. */
  detach(): void {
    // What its connection still tells is not about the container.
    this.#run++;
    this.#connection?.close();
  }

  async #launch(surroundings: LaunchSurroundings, attachers: number): Promise<void> {
    const { config, process } = this.record;
    const runtime = this.#tools.otherRuntimes.of(config);
    const { nodes, rules } = await planDevices(config);
    const own = this.#planCgroups(await withDeviceNumbers(config.resources), rules);
    const cgroups = isInHosts(config, "cgroup") ? withGroupsOfHost(own) : own;
    await requireRealtime(cgroups);
    const seccomp = await this.#tools.seccompOf(config);
    await writeEtcFiles(this.paths.folder, config, { hostname: process.hostname, hostGateway: this.#tools.hostGateway });
    await this.#tools.volumes.use(config);
    const { plan, path } = this.log;
    const log = { plan, path, compressorPath: this.#tools.compressorPath };
    const launch = { ...surroundings, config, process, paths: this.paths, log, cgroups, seccomp, devices: nodes, attachers };
    try {
      await this.#tools.spawner.start(config.id, runtime === null ? encodeLaunch(launch) : await this.#tools.otherRuntimes.encodeLaunch(runtime, launch));
    } catch (cause) {
      // A spawner that was lost may have made the shim before.
      if (!isClusterError(cause, "unavailable") || !(await this.#connect())) throw cause;
      return;
    }
    if (!(await this.#connect())) await this.#concludeWithoutShim();
  }

  async #connect(): Promise<boolean> {
    const connection = await ShimConnection.open(this.paths.socket, {
      onRunning: (pid, startedAtMs) => this.#onRunning(pid, startedAtMs),
      onOutcome: (outcome) => this.#onOutcome(outcome),
    });
    if (connection === null) return false;
    this.#connection = connection;
    const run = this.#run;
    this.#gone = connection.closed.then(() => this.#onClosed(run)).catch((cause: unknown) => this.#onLost(run, cause));
    return true;
  }

  #onRunning(pid: number, startedAtMs: number): void {
    const previous = this.#state;
    this.#state = { type: "running", pid };
    this.#startedAtMs = startedAtMs;
    if (previous.type === "starting") previous.result.resolve();
    this.#tools.onChange("start", this.info);
  }

  #onOutcome(outcome: Outcome): void {
    if (outcome.type === "failed") {
      if (this.#state.type !== "starting") return;
      const { result } = this.#state;
      this.#state = { type: "created" };
      result.reject(new ClusterError("failed_precondition", `unable to start container process: ${outcome.reason}`));
      return;
    }
    if (this.#state.type === "exited") return;
    // A program that ended before we connected was running nevertheless.
    if (this.#state.type === "starting") this.#onRunning(0, outcome.startedAtMs);
    this.#startedAtMs = outcome.startedAtMs;
    this.#state = { type: "exited", exit: outcome.exit };
    this.#ended.resolve(outcome.exit);
    this.#tools.onChange("exit", this.info);
  }

  async #onClosed(run: number): Promise<void> {
    this.#connection = null;
    if (run !== this.#run) return;
    if (mayHaveLateGroups(this.record.config.resources)) await this.#tools.cgroups.remove(shortName(this.record.config.id));
    if (this.#state.type === "starting" || this.#state.type === "running") await this.#concludeWithoutShim();
  }

  /** What is left of it can be neither read nor removed: it counts as killed, and its removal tries again. */
  #onLost(run: number, cause: unknown): void {
    this.#tools.logger.error({ err: cause, container: this.record.config.id }, "the end of a container cannot be found out, or what it left not be removed");
    if (run !== this.#run) return;
    if (this.#state.type === "starting") this.#onOutcome({ type: "failed", reason: "its shim ended unexpectedly" });
    else if (this.#state.type === "running") this.#onKilled(this.#startedAtMs);
  }

  #onKilled(startedAtMs: number): void {
    const exit = { exitCode: EXIT_CODE_UNKNOWN, isOutOfMemory: false, finishedAtMs: this.#tools.clock.now() };
    this.#onOutcome({ type: "exited", exit, startedAtMs });
  }

  /** The shim is gone without having told us the end. */
  async #concludeWithoutShim(): Promise<void> {
    const outcome = await readOutcome(this.paths.exit);
    if (outcome !== null) this.#onOutcome(outcome);
    else if (this.#state.type === "starting") this.#onOutcome({ type: "failed", reason: "its shim ended unexpectedly" });
    else await this.#concludeUnknown();
  }

  /** Shim and program were killed together (power cut, kill -9): the end was not recorded. */
  async #concludeUnknown(): Promise<void> {
    const started = await stat(this.paths.exitReserved).catch((cause: unknown) => {
      if (systemCodeOf(cause) === "ENOENT") return null;
      throw cause;
    });
    if (started === null) return;
    // Another runtime's container does not end with its shim by itself.
    await this.#tools.cgroups.remove(shortName(this.record.config.id));
    this.#onKilled(this.#startedAtMs === 0 ? Math.trunc(started.mtimeMs) : this.#startedAtMs);
  }

  async #killIfRunning(signal: number): Promise<void> {
    try {
      await this.kill(signal);
    } catch (cause) {
      if (!isClusterError(cause, "failed_precondition")) throw cause;
    }
  }

  async #setFrozen(isToBeFrozen: boolean): Promise<void> {
    const isThere = await setFrozen(await this.cgroups(), isToBeFrozen);
    // It has ended, which is told in a moment.
    if (isToBeFrozen && !isThere) throw this.#notRunningConflict();
    this.#isPaused = isToBeFrozen;
  }

  async #readFrozen(): Promise<boolean> {
    return this.#state.type === "running" && (await isFrozen(await this.cgroups()));
  }

  #notRunningConflict(): ClusterError {
    return new ClusterError("conflict", `Container ${this.record.config.id} is not running`);
  }

  #notRunning(): ClusterError {
    return new ClusterError("failed_precondition", `container ${this.record.config.id} is not running`);
  }
}

/** It ended meanwhile, and its groups with it: the limits hold from its next start on. */
function ignoreGoneGroups(cause: unknown): void {
  if (!isGone(cause)) throw cause;
}

/** Nobody has to wait for it. */
function newEnd(): Deferred<ContainerExit> {
  const end = deferred<ContainerExit>();
  end.promise.catch(() => undefined);
  return end;
}
