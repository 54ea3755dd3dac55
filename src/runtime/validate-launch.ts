import { ClusterError } from "../base/errors.js";
import { capabilitiesOf } from "./capabilities.js";
import type { ContainerConfig } from "./container-config.js";
import { validateMount } from "./mount-plan.js";
import type { ProcessConfig } from "./process-config.js";
import { planRlimits } from "./rlimits.js";
import { signalNumber } from "./signals.js";
import { planSysctls, sysctlPlaceOf } from "./sysctls.js";

/** The kernel's own limit for the options of mount(2) leaves room for this many; Docker's limit is lower. */
const LAYERS_MAX = 128;

/** Throws `invalid_argument` for a setting that a launch would refuse: so that `create` says it, not `start`. */
export function validateLaunch(config: ContainerConfig, process: ProcessConfig, layers: readonly string[]): void {
  signalNumber(process.stopSignal);
  capabilitiesOf(config);
  planRlimits(config.ulimits);
  planSysctls(config.sysctls, sysctlPlaceOf(config, false));
  if (layers.length > LAYERS_MAX) throw new ClusterError("invalid_argument", `image ${config.image} has ${layers.length} layers, more than ${LAYERS_MAX}`);
  if (!process.workingDir.startsWith("/"))
    throw new ClusterError("invalid_argument", `the working directory '${process.workingDir}' is invalid, it needs to be an absolute path`);
  if (process.hostname.length > 64) throw new ClusterError("invalid_argument", `hostname ${process.hostname} is longer than 64 characters`);
  if (!(config.oomScoreAdj >= -1000 && config.oomScoreAdj <= 1000))
    throw new ClusterError("invalid_argument", `oom score adjustment ${config.oomScoreAdj} is not between -1000 and 1000`);
  for (const mount of config.mounts) validateMount(mount);
}
