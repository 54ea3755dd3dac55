import type { Duplex } from "node:stream";
import type { ContainerConfig, HealthConfig } from "./container-config.js";
import type { ContainerFiles } from "./files/container-files.js";
import type { ResourceAbilities } from "./resource-abilities.js";

/**
 * Containers of one host, as the agent and the HTTP API see them. Knows containers, not tasks. Implemented by LocalRuntime over
 * swarm-shim, and by a fake for the agent's tests; both pass the suite of test/conformance/container-runtime.ts.
 */
export interface ContainerRuntime {
  readonly files: ContainerFiles;
  /**
   * Makes the container durable (record, writable layer, log folder) without a process, and the volumes of its mounts and of its image that are missing. Throws ClusterError `not_found` for an image
   * that is not here, `already_exists` for a name or id in use, `invalid_argument` for a setting that cannot be honoured.
   */
  create(config: ContainerConfig): Promise<void>;
  /** Starts its process; resolves when the program was executed. Throws `failed_precondition` with the reason when it could not be. */
  start(id: string): Promise<void>;
  /** Sends a signal by name (`SIGTERM`). Throws `failed_precondition` when it is not running. */
  kill(id: string, signal: string): Promise<void>;
  /** Its stop signal, or the one that is given, then SIGKILL after `gracePeriodMs`; resolves when it is dead. Does nothing when it is not running. */
  stop(id: string, gracePeriodMs: number, signal?: string): Promise<void>;
  /** Resolves with the exit when the container has ended (at once when it has); rejects with the signal's reason. */
  wait(id: string, signal?: AbortSignal): Promise<ContainerExit>;
  /** Removes it with its files. Throws `failed_precondition` when it is running and `force` is not set. */
  remove(id: string, options?: RemoveOptions): Promise<void>;
  /** By full id, name or unique id prefix; undefined when there is none, ClusterError `invalid_argument` when ambiguous. */
  inspect(reference: string): ContainerInfo | undefined;
  list(): readonly ContainerInfo[];
  /** Those that may run, and whose record could not be read: nobody knows what they use. Neither `list` nor `inspect` has them. */
  leftAlone(): readonly DamagedContainer[];
  /**
   * Connects to its standard streams, at once when it runs, else from its next start on, from the first byte. Bytes of a terminal come as they are, others in
   * Docker's frames (swarm-surface 2.2). `stream` rejects with `failed_precondition` when the start fails, `not_found` when it is removed, and ends with the
   * program; ending its writable side ends the program's standard input where that was asked for.
   */
  attach(id: string, streams: StreamChoice): Attachment;
  /** Size of its terminal. Does nothing without one. */
  resize(id: string, size: TerminalSize): Promise<void>;
  /**
   * Starts one more program in it; resolves when it was executed. Throws `failed_precondition` with the reason when it could not be, `conflict` when the container
   * does not run or is paused.
   */
  exec(id: string, config: ExecConfig): Promise<ExecProcess>;
  /** Which limits can be kept on this machine. */
  readonly abilities: ResourceAbilities;
  /**
   * Freezes all its processes, and lets them go on. Throws `conflict` when there is nothing to freeze, or it is frozen already. With `isBrief` the next daemon lets
   * them go on, should this one end before.
   */
  pause(id: string, options?: { readonly isBrief?: boolean }): Promise<void>;
  unpause(id: string): Promise<void>;
  /**
   * Changes settings, durably; resources at once, others from the next start on. Changes of one container follow one another: a plan gets what the last one left.
   * Throws as `create`, `conflict` when the container is being removed, and as the plan.
   */
  update(id: string, change: ContainerChanges | ChangePlan): Promise<void>;
  /** What it uses now; all zero when it does not run. */
  usage(id: string): Promise<ContainerUsage>;
  /** Process ids, as the host counts; empty when it does not run. */
  processes(id: string): Promise<readonly number[]>;
  /** Called after each change, until the returned function is called. */
  onChange(listener: ContainerChangeListener): () => void;
  /** Lines of its log, oldest first; throws `unimplemented` when its driver keeps none. With `follow`, until the container ended or the signal aborts. */
  logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncIterable<LogLine>;
}

/** All that is known of a container without its record. */
export interface DamagedContainer {
  readonly id: string;
  /** Of its folder. */
  readonly createdAtMs: number;
}

export interface RemoveOptions {
  readonly force?: boolean;
  /** Its anonymous volumes too. */
  readonly volumes?: boolean;
}

export type ContainerChange = "create" | "start" | "exit" | "remove" | "pause" | "unpause" | "update";
export type ContainerChangeListener = (change: ContainerChange, info: ContainerInfo) => void;

/** What can be changed of a container that is there. */
export type ContainerChanges = Partial<Pick<ContainerConfig, "name" | "resources" | "network" | "single">>;

/** What is to change, by what there is; null is nothing. */
export type ChangePlan = (config: ContainerConfig) => Omit<ContainerChanges, "name"> | null;

/** A test that is to be run. `shell` is what runs the line of a CMD-SHELL test. */
export interface HealthPlan extends HealthConfig {
  readonly shell: readonly string[];
}

export interface StreamChoice {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface Attachment {
  readonly stream: Promise<Duplex>;
  /** Gives it up before it is there. */
  cancel(): void;
}

export interface ExecConfig {
  readonly args: readonly string[];
  /** Added to the container's. */
  readonly env: readonly string[];
  /** Empty takes the container's. */
  readonly workingDir: string;
  readonly user: string;
  readonly isPrivileged: boolean;
  readonly isTerminal: boolean;
  readonly size: TerminalSize | null;
  /** Null runs it without streams. */
  readonly streams: StreamChoice | null;
  /** `discard` ends it with everything that it started. One such program of a container at a time: what an earlier one left is ended first. */
  readonly isDisposable?: boolean;
}

export interface ExecProcess {
  /** As the host counts. */
  readonly pid: number;
  /** Its streams, as in `attach`; null without. */
  readonly stream: Duplex | null;
  /** Exit code. */
  readonly ended: Promise<number>;
  resize(size: TerminalSize): Promise<void>;
  kill(signal: string): Promise<void>;
  /** Of a disposable one: ends it and everything that it started; resolves when nothing is left. Does nothing for others. */
  discard(): Promise<void>;
}

export interface ContainerUsage {
  readonly cpuNs: bigint;
  /** Parts of cpuNs, less exact. */
  readonly cpuUserNs: bigint;
  readonly cpuKernelNs: bigint;
  /** Empty where the machine does not count it. */
  readonly cpuNsByProcessor: readonly bigint[];
  /** Of its processor quota. */
  readonly throttling: ThrottlingUsage;
  readonly memoryBytes: number;
  /** Part of memoryBytes that is page cache not in use. */
  readonly cacheBytes: number;
  /** 0 where the machine does not keep it. */
  readonly memoryPeakBytes: number;
  /** As the kernel counts them, by its names (memory.stat). */
  readonly memoryStatistics: Readonly<Record<string, bigint>>;
  /** 0 is no limit. */
  readonly memoryLimitBytes: number;
  readonly pids: number;
  /** 0 is no limit. */
  readonly pidsLimit: number;
  /** By block device; empty where the machine does not count it. */
  readonly disks: readonly DiskUsage[];
  /** By interface. */
  readonly networks: Readonly<Record<string, NetworkUsage>>;
}

export interface ThrottlingUsage {
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNs: bigint;
}

export interface DiskUsage {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface NetworkUsage {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receivedErrors: number;
  readonly receivedDropped: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sentErrors: number;
  readonly sentDropped: number;
}

export interface ContainerExit {
  /** 0 to 255; 128 + signal for a signal. */
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
  readonly finishedAtMs: number;
}

export interface ContainerInfo {
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly createdAtMs: number;
  readonly state: "created" | "running" | "exited";
  /** Running, but frozen. */
  readonly isPaused: boolean;
  /** 0 when not running. */
  readonly pid: number;
  /** 0 before the first start. */
  readonly startedAtMs: number;
  readonly exit: ContainerExit | null;
  /** The arguments that are or were executed, image defaults resolved. */
  readonly args: readonly string[];
  /** What `stop` begins with, by name or number. */
  readonly stopSignal: string;
  /** Empty without one. */
  readonly logPath: string;
  readonly isLogReadable: boolean;
  /** How its health is checked, the image's settings where it has none; null when it is not. */
  readonly health: HealthPlan | null;
}

export interface ContainerLogOptions {
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Nanoseconds since the epoch; 0n is no bound. */
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  /** Lines from the end; negative is all. */
  readonly tail: number;
}

export interface LogLine {
  readonly stream: "stdout" | "stderr";
  readonly timestampNs: bigint;
  /** With its newline where the program wrote one. */
  readonly data: Uint8Array;
  /** Labels, variables and tag that the log's options name. */
  readonly attributes: Readonly<Record<string, string>>;
}
