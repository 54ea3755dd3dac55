import { onAbort } from "../../src/base/abort.js";
import type { Clock } from "../../src/base/clock.js";
import { deferred } from "../../src/base/deferred.js";
import { ClusterError } from "../../src/base/errors.js";
import { PassThrough } from "node:stream";
import { planHealth } from "../../src/runtime/health-plan.js";
import type { ContainerConfig } from "../../src/runtime/container-config.js";
import type {
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
  DamagedContainer,
  ExecConfig,
  ExecProcess,
  LogLine,
  RemoveOptions,
} from "../../src/runtime/container-runtime.js";
import { ALL_ABILITIES } from "./resource-abilities.js";
import { NO_USAGE } from "../../src/runtime/container-usage.js";
import { FakeFiles } from "./fake-files.js";

interface FakeContainer {
  info: ContainerInfo;
  readonly lines: LogLine[];
  readonly waiters: Set<() => void>;
  /** Exit code that the stop signal leads to; null ignores it. */
  onStopSignal: number | null;
}

/** Containers in memory: programs run until a test ends them. Passes the same conformance suite as the real one. */
export class FakeRuntime implements ContainerRuntime {
  readonly files = new FakeFiles();
  abilities = ALL_ABILITIES;
  readonly #containers = new Map<string, FakeContainer>();
  readonly #clock: Clock;
  #lastPid = 1000;
  /** Logs that are being read. */
  openLogs = 0;
  /** One line per call that changes something. */
  readonly calls: string[] = [];
  /** Images that exist; null is any. */
  images: ReadonlySet<string> | null = null;
  /** Throws what a start should fail with. */
  beforeStart: (config: ContainerConfig) => void | Promise<void> = () => {};
  beforeCreate: (config: ContainerConfig) => void | Promise<void> = () => {};
  /** What a program does with its stop signal. */
  exitCodeOnStop: number | null = 0;
  /** Exit code of each program that is run in a container. */
  exitCodeOfExec: (config: ExecConfig) => number | Promise<number> = () => 0;
  /** Containers whose record cannot be read. */
  damaged: readonly string[] = [];
  readonly #listeners = new Set<ContainerChangeListener>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async create(config: ContainerConfig): Promise<void> {
    this.calls.push(`create ${config.name}`);
    await this.beforeCreate(config);
    if (this.images !== null && !this.images.has(config.image)) throw new ClusterError("not_found", `No such image: ${config.image}`);
    for (const { info } of this.#containers.values()) {
      if (info.config.id === config.id || info.config.name === config.name) throw new ClusterError("already_exists", `container ${config.name} already exists`);
    }
    const info: ContainerInfo = {
      config,
      imageId: "sha256:fake",
      createdAtMs: this.#clock.now(),
      state: "created",
      isPaused: false,
      pid: 0,
      startedAtMs: 0,
      exit: null,
      args: [...config.entrypoint, ...config.command],
      logPath: "",
      stopSignal: config.stopSignal || "SIGTERM",
      isLogReadable: true,
      health: planHealth(config.health, { health: null, shell: [] }),
    };
    this.#containers.set(config.id, { info, lines: [], waiters: new Set(), onStopSignal: this.exitCodeOnStop });
    this.#tell("create", info);
  }

  async start(id: string): Promise<void> {
    const container = this.#get(id);
    this.calls.push(`start ${container.info.config.name}`);
    await this.beforeStart(container.info.config);
    if (container.info.state === "running") throw new ClusterError("failed_precondition", `container ${id} is already running`);
    container.info = { ...container.info, state: "running", pid: ++this.#lastPid, startedAtMs: this.#clock.now(), exit: null };
    this.#tell("start", container.info);
  }

  async kill(id: string, signal: string): Promise<void> {
    const container = this.#get(id);
    this.calls.push(`kill ${container.info.config.name} ${signal}`);
    if (container.info.state !== "running") throw new ClusterError("failed_precondition", `container ${id} is not running`);
    if (signal === "SIGKILL") this.exit(id, 137);
    else if (container.onStopSignal !== null) this.exit(id, container.onStopSignal);
  }

  async stop(id: string, gracePeriodMs: number): Promise<void> {
    const container = this.#get(id);
    this.calls.push(`stop ${container.info.config.name} ${gracePeriodMs}`);
    if (container.info.state !== "running") return;
    if (container.onStopSignal !== null) return this.exit(id, container.onStopSignal);
    const ended = new Promise<void>((resolve) => container.waiters.add(resolve));
    await Promise.race([ended, this.#clock.sleep(gracePeriodMs)]);
    if (container.info.state === "running") this.exit(id, 137);
  }

  async wait(id: string, signal?: AbortSignal): Promise<ContainerExit> {
    for (;;) {
      const container = this.#get(id);
      signal?.throwIfAborted();
      if (container.info.exit !== null) return container.info.exit;
      await new Promise<void>((resolve) => {
        const end = () => {
          detach();
          container.waiters.delete(end);
          resolve();
        };
        container.waiters.add(end);
        const detach = onAbort(signal, end);
      });
    }
  }

  async remove(id: string, options: RemoveOptions = {}): Promise<void> {
    const container = this.#get(id);
    this.calls.push(`remove ${container.info.config.name}${options.volumes === true ? " with its volumes" : ""}`);
    if (container.info.state === "running") {
      if (options.force !== true) throw new ClusterError("failed_precondition", `container ${id} is running`);
      this.exit(id, 137);
    }
    this.#containers.delete(id);
    this.#tell("remove", container.info);
    this.#wake(container);
  }

  /** A stream that gives back what is written. */
  attach(id: string): Attachment {
    this.#get(id);
    return { stream: Promise.resolve(new PassThrough()), cancel: () => {} };
  }

  async resize(id: string): Promise<void> {
    this.#get(id);
  }

  async exec(id: string, config: ExecConfig): Promise<ExecProcess> {
    const container = this.#get(id);
    if (container.info.state !== "running") throw new ClusterError("conflict", `Container ${id} is not running`);
    this.calls.push(`exec ${container.info.config.name} ${config.args.join(" ")}`);
    const discarded = deferred<number>();
    const ended = Promise.race([Promise.resolve(this.exitCodeOfExec(config)), discarded.promise]);
    const discard = async () => discarded.resolve(137);
    return { pid: ++this.#lastPid, stream: null, ended, resize: async () => {}, kill: async () => {}, discard };
  }

  async pause(id: string): Promise<void> {
    this.#freeze(id, true);
  }

  async unpause(id: string): Promise<void> {
    this.#freeze(id, false);
  }

  async update(id: string, change: ContainerChanges | ChangePlan): Promise<void> {
    const container = this.#get(id);
    const { config } = container.info;
    container.info = { ...container.info, config: { ...config, ...(typeof change === "function" ? change(config) : change) } };
    this.#tell("update", container.info);
  }

  async usage(): Promise<ContainerUsage> {
    return NO_USAGE;
  }

  async processes(id: string): Promise<readonly number[]> {
    const { info } = this.#get(id);
    return info.state === "running" ? [info.pid] : [];
  }

  onChange(listener: ContainerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  inspect(reference: string): ContainerInfo | undefined {
    const all = [...this.#containers.values()].map((container) => container.info);
    const exact = all.find(({ config }) => config.id === reference || config.name === reference);
    if (exact !== undefined) return exact;
    const matches = all.filter(({ config }) => config.id.startsWith(reference));
    if (matches.length > 1) throw new ClusterError("invalid_argument", `container id prefix ${reference} is ambiguous`);
    return matches[0];
  }

  list(): readonly ContainerInfo[] {
    return [...this.#containers.values()].map((container) => container.info);
  }

  leftAlone(): readonly DamagedContainer[] {
    return this.damaged.map((id) => ({ id, createdAtMs: 0 }));
  }

  async *logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
    const container = this.#get(id);
    const isWanted = (line: LogLine) => (line.stream === "stdout" ? options.stdout : options.stderr) && line.timestampNs >= options.sinceNs;
    let next = options.tail < 0 ? 0 : Math.max(container.lines.length - options.tail, 0);
    this.openLogs++;
    try {
      for (;;) {
        for (; next < container.lines.length; next++) {
          const line = container.lines[next]!;
          if (isWanted(line)) yield line;
        }
        if (!options.follow || signal.aborted || container.info.state === "exited" || !this.#containers.has(id)) return;
        await new Promise<void>((resolve) => {
          container.waiters.add(resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    } finally {
      this.openLogs--;
    }
  }

  /** The program ends. */
  exit(id: string, exitCode: number, isOutOfMemory = false): void {
    const container = this.#get(id);
    container.info = { ...container.info, state: "exited", pid: 0, exit: { exitCode, isOutOfMemory, finishedAtMs: this.#clock.now() } };
    this.#tell("exit", container.info);
    this.#wake(container);
  }

  /** The program writes a line. */
  write(id: string, text: string, stream: "stdout" | "stderr" = "stdout"): void {
    const container = this.#get(id);
    container.lines.push({ stream, timestampNs: BigInt(this.#clock.now()) * 1_000_000n, data: Buffer.from(`${text}\n`), attributes: {} });
    this.#wake(container);
  }

  #get(id: string): FakeContainer {
    const container = this.#containers.get(id);
    if (container === undefined) throw new ClusterError("not_found", `No such container: ${id}`);
    return container;
  }

  #freeze(id: string, isPaused: boolean): void {
    const container = this.#get(id);
    if (container.info.state !== "running" || container.info.isPaused === isPaused)
      throw new ClusterError("conflict", `Container ${id} cannot be frozen or thawed`);
    container.info = { ...container.info, isPaused };
    this.#tell(isPaused ? "pause" : "unpause", container.info);
  }

  #tell(change: ContainerChange, info: ContainerInfo): void {
    for (const listener of this.#listeners) listener(change, info);
  }

  #wake(container: FakeContainer): void {
    const waiters = [...container.waiters];
    container.waiters.clear();
    for (const wake of waiters) wake();
  }
}
