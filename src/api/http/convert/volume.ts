import type { ContainerConfig, ContainerMount } from "../../../runtime/container-config.js";
import { normalisePath } from "../../../runtime/mount-plan.js";
import { withoutPasswords } from "../../../volumes/mount-options.js";
import { LOCAL_DRIVER, type Volume, type VolumeRequest, type VolumeUsage } from "../../../volumes/volume-store.js";
import type { Json } from "../json.js";
import { Fields } from "./fields.js";
import { timeText } from "./time.js";
import { unlessEmpty } from "./zero-values.js";

/** The body of POST /volumes/create. */
export function volumeFromDocker(body: unknown): VolumeRequest {
  const fields = new Fields(body, "");
  const request = { name: fields.string("Name"), driver: fields.string("Driver"), options: fields.record("DriverOpts"), labels: fields.record("Labels") };
  fields.end();
  return request;
}

export function volumeToDocker(volume: Volume): { readonly [name: string]: Json } {
  return {
    CreatedAt: timeText(volume.createdAtMs),
    Driver: LOCAL_DRIVER,
    Labels: unlessEmpty(volume.labels) ?? null,
    Mountpoint: volume.folder,
    Name: volume.name,
    Options: unlessEmpty(withoutPasswords(volume.options)) ?? null,
    Scope: "local",
  };
}

/** A volume in the answer of `system df`. */
export function volumeUsageToDocker({ volume, sizeBytes, references }: VolumeUsage): Json {
  return { ...volumeToDocker(volume), UsageData: { RefCount: references, Size: sizeBytes ?? -1 } };
}

/** What `inspect` and the list of containers show of mounts; those of `--tmpfs` are in the HostConfig alone. */
export function mountPointsToDocker({ mounts, single }: Pick<ContainerConfig, "mounts" | "single">): readonly Json[] {
  const hidden = Object.keys(single?.request.storage?.tmpfs ?? {}).map(normalisePath);
  const modes = new Map((single?.request.binds ?? []).map((bind) => [bind.split(":")[1], bind.split(":")[2]]));
  return mounts
    .filter((mount) => mount.type !== "tmpfs" || !hidden.includes(normalisePath(mount.target)))
    .map((mount) => mountPointToDocker(mount, modes.get(mount.target)));
}

function mountPointToDocker(mount: ContainerMount, mode: string | undefined): Json {
  const place = { Source: mount.source, Destination: mount.target };
  if (mount.volume !== undefined) {
    return { Type: "volume", Name: mount.volume.name, ...place, Driver: LOCAL_DRIVER, Mode: mode ?? "z", RW: !mount.isReadOnly, Propagation: "" };
  }
  return { Type: mount.type, ...place, Mode: mode ?? "", RW: !mount.isReadOnly, Propagation: mount.type === "bind" ? mount.propagation || "rprivate" : "" };
}
