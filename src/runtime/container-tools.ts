import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { CgroupTree } from "./cgroup-tree.js";
import type { ContainerChange, ContainerInfo } from "./container-runtime.js";
import type { HeldVolumes } from "./held-volumes.js";
import type { Launch } from "./launch.js";
import type { OtherRuntimes } from "./oci/other-runtime.js";
import type { Spawner } from "./shim/spawner.js";

/** What containers need of their runtime. */
export interface ContainerTools {
  readonly cgroups: CgroupTree;
  readonly spawner: Spawner;
  readonly otherRuntimes: OtherRuntimes;
  readonly volumes: HeldVolumes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly execRoot: string;
  /** The address of this host as containers reach it. */
  readonly hostGateway: string;
  /** The program swarm-compress. */
  readonly compressorPath: string;
  /** The compiled filter of a container; null for none. */
  readonly seccompOf: (config: ContainerInfo["config"]) => Promise<Launch["seccomp"]>;
  readonly onChange: (change: ContainerChange, info: ContainerInfo) => void;
}
