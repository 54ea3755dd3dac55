import { ClusterError } from "../base/errors.js";
import { requireBindSource } from "./bind-source.js";
import type { ContainerConfig } from "./container-config.js";
import { planDevices } from "./devices.js";
import type { ImageStore } from "./image-store.js";
import { validateLaunch } from "./validate-launch.js";
import { type LogConfig, withDefaultLog } from "./logs/log-plan.js";
import { withImageVolumes } from "./mount-plan.js";
import { type OciRuntimes, OWN_RUNTIME, runtimeNamed } from "./oci/oci-runtimes.js";
import { planProcess, type ProcessConfig } from "./process-config.js";

/** What a host has for all its containers. */
export interface HostDefaults {
  readonly images: Pick<ImageStore, "resolve" | "layerFolders">;
  readonly runtimes: OciRuntimes;
  readonly defaultLog: LogConfig;
}

export interface ResolvedContainer {
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly process: ProcessConfig;
}

/**
 * What a container will be: what is asked for, and what its image and the host add. What holds by default now holds for its life. Throws ClusterError `not_found`
 * for an image that is not here, `invalid_argument` for a setting that cannot be honoured.
 */
export async function resolveContainer(asked: ContainerConfig, { images, runtimes, defaultLog }: HostDefaults): Promise<ResolvedContainer> {
  const image = images.resolve(asked.image);
  if (image === undefined) throw new ClusterError("not_found", `No such image: ${asked.image}`);
  const config = {
    ...asked,
    labels: { ...image.config.labels, ...asked.labels },
    log: withDefaultLog(asked.log, defaultLog),
    runtime: runtimeNameOf(asked, runtimes),
    mounts: withImageVolumes(asked.mounts, image.config.volumes),
  };
  if (!/^[0-9a-f]{64}$/.test(config.id)) throw new ClusterError("invalid_argument", `container id ${config.id} is not 64 hexadecimal characters`);
  requireName(config.name);
  const process = planProcess(config, image.config);
  validateLaunch(config, process, images.layerFolders(image.id));
  await planDevices(config);
  runtimeNamed(runtimes, config.runtime);
  for (const mount of config.mounts) if (mount.type === "bind") await requireBindSource(mount);
  return { config, imageId: image.id, process };
}

/** Throws `invalid_argument`, in Docker's words, for what cannot name a container. */
export function requireName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]+$/.test(name)) return;
  throw new ClusterError("invalid_argument", `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

/** Our own goes without a name. */
function runtimeNameOf({ runtime }: ContainerConfig, { defaultName }: OciRuntimes): string {
  const name = runtime || defaultName;
  return name === OWN_RUNTIME ? "" : name;
}
