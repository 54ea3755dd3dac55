import type { Duplex } from "node:stream";
import type { ContainerNetwork } from "../model/container-network.js";
import type { PortConfig } from "../model/objects.js";
import type { ContainerFiles } from "./files/container-files.js";
import type { LogConfig } from "./logs/log-plan.js";
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
  /** Freezes all its processes, and lets them go on. Throws `conflict` when there is nothing to freeze, or it is frozen already. */
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** Changes settings, durably; resources at once, others from the next start on. Throws as `create`. */
  update(id: string, change: ContainerChanges): Promise<void>;
  /** What it uses now; all zero when it does not run. */
  usage(id: string): Promise<ContainerUsage>;
  /** Process ids, as the host counts; empty when it does not run. */
  processes(id: string): Promise<readonly number[]>;
  /** Called after each change, until the returned function is called. */
  onChange(listener: ContainerChangeListener): () => void;
  /** Lines of its log, oldest first; throws `unimplemented` when its driver keeps none. With `follow`, until the container ended or the signal aborts. */
  logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncIterable<LogLine>;
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

export interface ContainerConfig {
  /** 64 hexadecimal characters. */
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Those of the image are added when it is made. */
  readonly labels: Readonly<Record<string, string>>;
  /** Empty takes the image's own. An entrypoint given here drops the image's command, as in Docker. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Added to the image's environment; the last of a name wins. */
  readonly env: readonly string[];
  readonly workingDir: string;
  /** `name|uid[:group|gid]`; empty takes the image's. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly hostname: string;
  readonly mounts: readonly ContainerMount[];
  readonly isRootReadOnly: boolean;
  readonly capabilityAdd: readonly string[];
  readonly capabilityDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj: number;
  readonly resources: ContainerResources;
  readonly stopSignal: string;
  /** "host" shares the host's stack; null has loopback only; with `container` it shares the one of the container with that id. */
  readonly network: ContainerNetwork | "host" | null | JoinedNetwork;
  /** Lines of /etc/hosts beside localhost and the container's own. */
  readonly hosts: readonly { readonly address: string; readonly name: string }[];
  readonly dns: { readonly nameservers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] };
  readonly log: LogConfig;
  readonly domainname: string;
  readonly terminal: TerminalConfig;
  /** All capabilities and devices of the host, nothing hidden, no filter of system calls. */
  readonly isPrivileged: boolean;
  readonly devices: readonly ContainerDevice[];
  readonly seccomp: SeccompChoice;
  /** Name of the OCI runtime that makes it; empty takes the host's default. */
  readonly runtime: string;
  /** It stays in the host's user namespace where others are remapped. */
  readonly usesHostUsers?: boolean;
  /** A small first process reaps and forwards signals. */
  readonly hasInit: boolean;
  /** Size of /dev/shm; 0 is 64 MB. */
  readonly sharedMemoryBytes: number;
  /** Null takes the image's; a test `NONE` has none. */
  readonly health: HealthConfig | null;
  /** What concerns a container that a person made; null for one of a task. The runtime only keeps it. */
  readonly single: SingleConfig | null;
}

/** Which policy filters system calls; a profile is the JSON that Docker takes. */
export type SeccompChoice = "default" | "unconfined" | { readonly profile: string };

export interface JoinedNetwork {
  readonly container: string;
}

export interface TerminalConfig {
  readonly isTerminal: boolean;
  /** Without it, standard input is empty. */
  readonly hasInput: boolean;
  /** Standard input ends with the first attacher's. */
  readonly isInputOnce: boolean;
}

export interface ContainerDevice {
  /** Path on the host. */
  readonly source: string;
  /** Path in the container, below /dev. */
  readonly target: string;
  /** Of `r`, `w` and `m`. */
  readonly permissions: string;
}

/** A test that is to be run. `shell` is what runs the line of a CMD-SHELL test. */
export interface HealthPlan extends HealthConfig {
  readonly shell: readonly string[];
}

/** Docker's HEALTHCHECK. 0 is the default: interval 30 s, timeout 30 s, start period 0, interval in it 5 s, 3 retries. */
export interface HealthConfig {
  /** `["NONE"]`, `["CMD", program, …]`, `["CMD-SHELL", line]`; empty takes the image's. */
  readonly test: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

export interface SingleConfig {
  readonly restart: RestartPolicy;
  /** Removed when it has ended. */
  readonly isAutoRemoved: boolean;
  /** As asked for; a published port of 0 is any. */
  readonly ports: readonly PortConfig[];
  /** As they were given at the last start. */
  readonly published: readonly PortConfig[];
  /** Stopped by hand: no policy starts it again, but "always" when the daemon starts. */
  readonly isStopped: boolean;
  /** What `inspect` shows of the request. */
  readonly request: {
    readonly attachStdin: boolean;
    readonly attachStdout: boolean;
    readonly attachStderr: boolean;
    readonly binds: readonly string[];
    readonly storage?: StorageRequest;
  };
  /** 0 is Docker's 10 s. */
  readonly stopTimeoutMs: number;
}

/** How mounts were asked for, beside binds. */
export interface StorageRequest {
  /** Mounts of the HostConfig, as JSON; empty without. */
  readonly mounts: string;
  /** Options by target. */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly volumesFrom: readonly string[];
  readonly volumeDriver: string;
}

export interface RestartPolicy {
  readonly name: "no" | "always" | "unless-stopped" | "on-failure";
  /** Of on-failure; 0 is no limit. */
  readonly retriesMax: number;
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

export interface ContainerMount {
  readonly type: "bind" | "volume" | "tmpfs";
  /** Path on the host; of a volume, where its content is: empty until `create`, which knows it. */
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
  /** "rprivate" when empty. */
  readonly propagation: string;
  /** tmpfs; 0 is no limit. */
  readonly sizeBytes: number;
  readonly mode: number;
  /** Of type volume only, and always there. */
  readonly volume?: MountedVolume;
  /** bind: without what is mounted below the source. */
  readonly isShallow?: boolean;
  /** bind: what is mounted below the source stays writable, whatever `isReadOnly` says. */
  readonly isReadOnlyShallow?: boolean;
  /** tmpfs: what mount(8) calls options, beside size and mode: `exec`, `uid=7`. */
  readonly options?: readonly string[];
}

export interface MountedVolume {
  /** Empty asks `create` for an anonymous one, which gets a name. */
  readonly name: string;
  /** Made with the container, for it alone: goes with it when that is asked for. */
  readonly isAnonymous: boolean;
  /** Gets the image's content of that place while it is empty. */
  readonly isCopied: boolean;
  /** A folder or file within; empty is all of it. */
  readonly subpath: string;
  /** What it is made with when there is none of that name. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Its content is elsewhere, on what its options name. */
  readonly isElsewhere?: boolean;
}

/** 0 is no limit. */
export interface ContainerResources {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Negative takes a limit back that was there. */
  readonly pids: number;
  /** Together with memory; -1 is no limit, and without it there is as much swap as memory. */
  readonly memorySwapBytes?: number;
  /** What it shall keep when memory is short. */
  readonly memoryReservationBytes?: number;
  /** Its part when processors are short, of 1024 for others. */
  readonly cpuShares?: number;
  /** Time in each period; -1 is no limit. Not together with nanoCpus. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  /** Time for real-time programs in each period. */
  readonly cpuRealtimeRuntimeUs?: number;
  readonly cpuRealtimePeriodUs?: number;
  /** Processors and memory nodes that it may use, as the kernel lists them: `0-3,6`. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** 0 to 100: how readily its memory goes to swap. */
  readonly memorySwappiness?: number;
  /** When its memory is full it waits instead of being ended. */
  readonly isOutOfMemoryKillDisabled?: boolean;
  readonly kernelMemoryTcpBytes?: number;
  /** Its share of the disks' time, 10 to 1000. */
  readonly diskWeight?: number;
  readonly disks?: DiskLimits;
}

/** Limits of single disks. Rates are bytes or operations in a second; 0 takes one back that was there. */
export interface DiskLimits {
  readonly weight?: readonly DiskLimit[];
  readonly readBytes?: readonly DiskLimit[];
  readonly writeBytes?: readonly DiskLimit[];
  readonly readOperations?: readonly DiskLimit[];
  readonly writeOperations?: readonly DiskLimit[];
}

export interface DiskLimit {
  /** Of a block device on the host. */
  readonly path: string;
  readonly value: number;
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
