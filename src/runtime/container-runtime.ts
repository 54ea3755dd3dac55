import type { ContainerNetwork } from "../model/container-network.js";

/**
 * Containers of one host, as the agent and the HTTP API see them. Knows containers, not tasks. Implemented by LocalRuntime over
 * swarm-shim, and by a fake for the agent's tests; both pass the suite of test/conformance/container-runtime.ts.
 */
export interface ContainerRuntime {
  /**
   * Makes the container durable (record, writable layer, log folder) without a process. Throws ClusterError `not_found` for an image
   * that is not here, `already_exists` for a name or id in use, `invalid_argument` for a setting that cannot be honoured.
   */
  create(config: ContainerConfig): Promise<void>;
  /** Starts its process; resolves when the program was executed. Throws `failed_precondition` with the reason when it could not be. */
  start(id: string): Promise<void>;
  /** Sends a signal by name (`SIGTERM`). Throws `failed_precondition` when it is not running. */
  kill(id: string, signal: string): Promise<void>;
  /** Stop signal, then SIGKILL after `gracePeriodMs`; resolves when it is dead. Does nothing when it is not running. */
  stop(id: string, gracePeriodMs: number): Promise<void>;
  /** Resolves with the exit when the container has ended (at once when it has); rejects with the signal's reason. */
  wait(id: string, signal?: AbortSignal): Promise<ContainerExit>;
  /** Removes it with its files. Throws `failed_precondition` when it is running and `force` is not set. */
  remove(id: string, options?: { readonly force?: boolean }): Promise<void>;
  /** By full id, name or unique id prefix; undefined when there is none, ClusterError `invalid_argument` when ambiguous. */
  inspect(reference: string): ContainerInfo | undefined;
  list(): readonly ContainerInfo[];
  /** Lines of its log, oldest first; with `follow`, until the container ended or the signal aborts. */
  logs(id: string, options: ContainerLogOptions, signal: AbortSignal): AsyncIterable<LogLine>;
}

export interface ContainerConfig {
  /** 64 hexadecimal characters. */
  readonly id: string;
  readonly name: string;
  readonly image: string;
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
  /** "host" shares the host's stack; null has loopback only. */
  readonly network: ContainerNetwork | "host" | null;
  /** Lines of /etc/hosts beside localhost and the container's own. */
  readonly hosts: readonly { readonly address: string; readonly name: string }[];
  readonly dns: { readonly nameservers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] };
  readonly log: { readonly sizeBytesMax: number; readonly filesMax: number };
}

export interface ContainerMount {
  readonly type: "bind" | "tmpfs";
  readonly source: string;
  readonly target: string;
  readonly isReadOnly: boolean;
  /** "rprivate" when empty. */
  readonly propagation: string;
  /** tmpfs; 0 is no limit. */
  readonly sizeBytes: number;
  readonly mode: number;
}

/** 0 is no limit. */
export interface ContainerResources {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  readonly pids: number;
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
  /** 0 when not running. */
  readonly pid: number;
  /** 0 before the first start. */
  readonly startedAtMs: number;
  readonly exit: ContainerExit | null;
  /** The arguments that are or were executed, image defaults resolved. */
  readonly args: readonly string[];
  readonly logPath: string;
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
}
