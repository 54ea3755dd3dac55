import type { CgroupPlan } from "./cgroup-plan.js";
import type { ContainerConfig } from "./container-config.js";
import type { ContainerPaths } from "./container-paths.js";
import type { TerminalSize } from "./container-runtime.js";
import type { DeviceNode } from "./devices.js";
import type { JoinedContainer } from "./joined-containers.js";
import type { LogPlan } from "./logs/log-plan.js";
import type { ProcessConfig } from "./process-config.js";

/** All that a shim is told of the container that it makes. */
export interface Launch {
  readonly config: ContainerConfig;
  readonly process: ProcessConfig;
  readonly paths: ContainerPaths;
  readonly log: { readonly plan: LogPlan; readonly path: string; readonly compressorPath: string };
  /** Folders, uppermost first. */
  readonly layers: readonly string[];
  readonly cgroups: CgroupPlan;
  /** File and flags of the compiled filter; null is none. */
  readonly seccomp: SeccompFilter | null;
  readonly devices: readonly DeviceNode[];
  /** The program that `hasInit` asks for. */
  readonly initPath: string;
  /** Containers of which it has a namespace in place of its own. */
  readonly joined: readonly JoinedContainer[];
  /** Of its user namespace; null leaves it in the host's. */
  readonly maps: IdMaps | null;
  /** Attachments that were announced. */
  readonly attachers: number;
}

/** Of a user namespace, as the kernel takes them (user_namespaces(7)): lines `INSIDE OUTSIDE COUNT`. */
export interface IdMaps {
  readonly users: string;
  readonly groups: string;
}

/** Compiled, as a file of instructions, with the flags of seccomp(2). */
export interface SeccompFilter {
  readonly path: string;
  readonly flags: number;
}

/** What is asked of a shim that starts one more program in a container. */
export interface ExecLaunch {
  readonly id: string;
  readonly socket: string;
  readonly container: { readonly pid: number; readonly group: string };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly capabilities: bigint;
  readonly config: Pick<ContainerConfig, "ulimits" | "oomScoreAdj" | "noNewPrivileges">;
  readonly cgroups: CgroupPlan;
  readonly seccomp: SeccompFilter | null;
  readonly isTerminal: boolean;
  readonly size: TerminalSize | null;
  readonly hasInput: boolean;
  readonly attachers: number;
}

/** What shows a container's files to swarm-files, in the same form. */
export interface FilesView {
  readonly config: ContainerConfig;
  readonly paths: ContainerPaths;
  readonly layers: readonly string[];
  readonly maps: IdMaps | null;
  /** Null for a container that does not run. */
  readonly running: { readonly pid: number; readonly group: string } | null;
}
