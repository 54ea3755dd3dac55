import { isClusterError } from "../base/errors.js";
import type { ContainerVolumes, VolumeUse } from "../volumes/volume-store.js";
import type { ContainerConfig, ContainerMount } from "./container-runtime.js";
import { normalisePath } from "./mount-plan.js";

/**
 * Makes the volumes of a container that is being made, holds them, and fills new ones with what the image has there. Resolves with its mounts as they will be.
 * Throws as `ContainerVolumes`; then nothing is held, and no anonymous volume is left.
 */
export async function acquireVolumes(
  volumes: ContainerVolumes,
  config: Pick<ContainerConfig, "id" | "mounts">,
  layers: readonly string[],
): Promise<readonly ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  try {
    for (const mount of config.mounts) {
      const { volume } = mount;
      if (volume === undefined) {
        mounts.push(mount);
        continue;
      }
      const { name, folder } = await volumes.acquire(config.id, volume);
      mounts.push({ ...mount, source: folder, volume: { ...volume, name } });
      if (volume.isCopied && volume.subpath === "") await volumes.fill(name, { path: normalisePath(mount.target), layers });
    }
    return mounts;
  } catch (cause) {
    volumes.release(config.id);
    await removeAnonymous(volumes, mounts);
    throw cause;
  }
}

/** Removes those that were made for a container that is gone; one that another container uses as well stays. */
export async function removeAnonymous(volumes: ContainerVolumes, mounts: readonly ContainerMount[]): Promise<void> {
  for (const { volume } of mounts) {
    if (volume?.isAnonymous !== true || volume.name === "") continue;
    try {
      await volumes.remove(volume.name);
    } catch (cause) {
      if (!isClusterError(cause, "conflict") && !isClusterError(cause, "not_found")) throw cause;
    }
  }
}

export function volumeUses(config: Pick<ContainerConfig, "id" | "mounts">): readonly VolumeUse[] {
  return config.mounts.flatMap(({ volume, target, isReadOnly }) =>
    volume === undefined ? [] : [{ name: volume.name, containerId: config.id, target: normalisePath(target), isReadOnly }],
  );
}
