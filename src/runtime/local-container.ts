import { rm, stat } from "node:fs/promises";
import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError, isClusterError } from "../base/errors.js";
import type { CgroupTree } from "./cgroup-tree.js";
import { type ContainerPaths, shortName } from "./container-paths.js";
import type { ContainerRecord } from "./container-record.js";
import type { ContainerExit, ContainerInfo } from "./container-runtime.js";
import { type Outcome, readOutcome } from "./exit-record.js";
import { encodeLaunch } from "./launch-request.js";
import { ShimConnection } from "./shim-connection.js";
import { signalNumber } from "./signals.js";
import type { Spawner } from "./spawner.js";

/** What containers need of their runtime. */
export interface ContainerTools {
  readonly cgroups: CgroupTree;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly onChange: (change: "start" | "exit", info: ContainerInfo) => void;
}

/** Exit code of a program whose end nobody saw: as after SIGKILL. */
const EXIT_CODE_UNKNOWN = 137;
const SIGKILL = 9;

type State =
  | { readonly type: "created" }
  | { readonly type: "starting"; readonly result: Deferred<void> }
  | { readonly type: "running"; readonly pid: number }
  | { readonly type: "exited"; readonly exit: ContainerExit };

/** One container and the connection to its shim. Invariant: there is a connection if and only if a shim may be alive. */
export class LocalContainer {
  readonly record: ContainerRecord;
  readonly paths: ContainerPaths;
  readonly #tools: ContainerTools;
  #state: State = { type: "created" };
  #startedAtMs = 0;
  #connection: ShimConnection | null = null;
  #ended = newEnd();
  /** Counts starts: what an earlier shim's connection still tells is not about this run. */
  #run = 0;
  /** Settles when the last shim is gone and its end is known. */
  #gone: Promise<void> = Promise.resolve();

  constructor(record: ContainerRecord, paths: ContainerPaths, tools: ContainerTools) {
    this.record = record;
    this.paths = paths;
    this.#tools = tools;
  }

  get info(): ContainerInfo {
    const state = this.#state;
    return {
      config: this.record.config,
      imageId: this.record.imageId,
      createdAtMs: this.record.createdAtMs,
      state: state.type === "starting" ? "created" : state.type,
      pid: state.type === "running" ? state.pid : 0,
      startedAtMs: this.#startedAtMs,
      exit: state.type === "exited" ? state.exit : null,
      args: this.record.process.args,
      logPath: this.paths.log,
    };
  }

  /** Resolves with the exit of the current or last run, not before there was one; rejects with `not_found` when it is removed instead. */
  get ended(): Promise<ContainerExit> {
    return this.#ended.promise;
  }

  /** Finds out what became of it while no daemon was there. */
  async recover(): Promise<void> {
    if (await this.#connect()) {
      // The shim tells its state at once, or when the program that is being started was executed.
      const result = deferred<void>();
      this.#state = { type: "starting", result };
      await result.promise.catch(() => undefined);
      return;
    }
    const outcome = await readOutcome(this.paths.exit);
    if (outcome !== null) this.#onOutcome(outcome);
    else await this.#concludeUnknown();
    if (this.#state.type === "exited") await this.#tools.cgroups.remove(shortName(this.record.config.id));
  }

  async start(layers: readonly string[]): Promise<void> {
    const state = this.#state;
    if (state.type === "running" || state.type === "starting")
      throw new ClusterError("failed_precondition", `container ${this.record.config.name} is already running`);
    const result = deferred<void>();
    // It may fail before it is awaited below.
    result.promise.catch(() => undefined);
    this.#state = { type: "starting", result };
    this.#run++;
    try {
      await this.#gone;
      if (state.type === "exited") this.#ended = newEnd();
      await this.#launch(layers);
      await result.promise;
    } catch (cause) {
      if (this.#state.type === "starting") this.#state = state;
      throw cause;
    }
  }

  async kill(signal: number): Promise<void> {
    if (this.#state.type !== "running" || this.#connection === null) throw this.#notRunning();
    await this.#connection.kill(signal);
  }

  async stop(gracePeriodMs: number): Promise<void> {
    if (this.#state.type === "starting") await this.#state.result.promise.catch(() => undefined);
    if (this.#state.type !== "running") return;
    const cancel = this.#tools.clock.after(gracePeriodMs, () => this.#killIfRunning(SIGKILL));
    await this.#killIfRunning(signalNumber(this.record.process.stopSignal));
    await this.ended.finally(cancel);
  }

  /** Ends it if need be, waits for its shim, and removes cgroups and files. */
  async dispose(): Promise<void> {
    if (this.#state.type === "starting") {
      // Setting up may hang (a mount of a file system whose server is gone): nobody wants its result any more.
      const { result } = this.#state;
      await this.#connection?.kill(SIGKILL).catch(() => undefined);
      await result.promise.catch(() => undefined);
    }
    if (this.#state.type === "running") await this.#killIfRunning(SIGKILL);
    await this.#gone;
    await this.#tools.cgroups.remove(shortName(this.record.config.id));
    // The record first: a folder without one is swept should the daemon end meanwhile.
    await rm(this.paths.record, { force: true });
    await rm(this.paths.folder, { recursive: true, force: true });
    await rm(this.paths.socket, { force: true });
    this.#ended.reject(new ClusterError("not_found", `No such container: ${this.record.config.id}`));
  }

  /** Forgets the shim without touching it. */
  detach(): void {
    this.#connection?.close();
  }

  async #launch(layers: readonly string[]): Promise<void> {
    const { config, process } = this.record;
    const cgroups = this.#tools.cgroups.plan(shortName(config.id), config.resources);
    try {
      await this.#tools.spawner.start(config.id, encodeLaunch({ config, process, paths: this.paths, layers, cgroups }));
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
    this.#gone = connection.closed.then(() => this.#onClosed(run));
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
    if (this.#state.type === "starting" || this.#state.type === "running") await this.#concludeWithoutShim();
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
    const started = await stat(this.paths.exitReserved).catch(() => null);
    if (started === null) return;
    const exit = { exitCode: EXIT_CODE_UNKNOWN, isOutOfMemory: false, finishedAtMs: this.#tools.clock.now() };
    this.#onOutcome({ type: "exited", exit, startedAtMs: this.#startedAtMs === 0 ? Math.trunc(started.mtimeMs) : this.#startedAtMs });
  }

  async #killIfRunning(signal: number): Promise<void> {
    try {
      await this.kill(signal);
    } catch (cause) {
      if (!isClusterError(cause, "failed_precondition")) throw cause;
    }
  }

  #notRunning(): ClusterError {
    return new ClusterError("failed_precondition", `container ${this.record.config.id} is not running`);
  }
}

/** Nobody has to wait for it. */
function newEnd(): Deferred<ContainerExit> {
  const end = deferred<ContainerExit>();
  end.promise.catch(() => undefined);
  return end;
}
