import type { ContainerNetwork } from "../model/container-network.js";
import type { HostPort } from "../model/host-port.js";
import type { LogConfig } from "./logs/log-plan.js";

/** What a container is made with, the image's settings left out: what `ContainerRuntime.create` takes and a record keeps. */
export interface ContainerConfig {
  /** 64 hexadecimal characters. */
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Those of the image are added when it is made. */
  readonly labels: Readonly<Record<string, string>>;
  /** Empty takes the image's own, one empty word drops it. An entrypoint given here drops the image's command, as in Docker. */
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
  /** What is hidden and write-protected in it, in place of Docker's own lists; a privileged one has neither. */
  readonly maskedPaths?: readonly string[];
  readonly readOnlyPaths?: readonly string[];
  readonly devices: readonly ContainerDevice[];
  readonly seccomp: SeccompChoice;
  /** Name of the OCI runtime that makes it; empty takes the host's default. */
  readonly runtime: string;
  /** It stays in the host's user namespace where others are remapped. */
  readonly usesHostUsers?: boolean;
  /** Namespaces in which it is with the host's own programs, where others have theirs. */
  readonly hostNamespaces?: readonly HostNamespace[];
  /** Namespaces of other containers, by their ids, in which it is in place of its own; that of the network is in `network`. */
  readonly joins?: { readonly pid?: string; readonly ipc?: string };
  /** Others may join its IPC namespace, or it has no /dev/shm; without, neither. */
  readonly ipc?: "shareable" | "none";
  /** A small first process reaps and forwards signals. */
  readonly hasInit: boolean;
  /** Size of /dev/shm; 0 is 64 MB. */
  readonly sharedMemoryBytes: number;
  /** Null takes the image's; a test `NONE` has none. */
  readonly health: HealthConfig | null;
  /** What concerns a container that a person made; null for one of a task. The runtime only keeps it. */
  readonly single: SingleConfig | null;
}

/** Processes; message queues, semaphores and shared memory; names of the host; groups of processes. */
export type HostNamespace = "pid" | "ipc" | "uts" | "cgroup";

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
  readonly ports: readonly HostPort[];
  /** What else it says that it listens on, beside its image: `80/tcp`. */
  readonly exposed?: readonly string[];
  /** As they were given at the last start. */
  readonly published: readonly HostPort[];
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
  /** Of its interface, as it was asked for; without one it gets the one that goes with its address. */
  readonly macAddress?: string;
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
