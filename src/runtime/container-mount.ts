import { ClusterError } from "../base/errors.js";
import type { Mount } from "../model/objects.js";
import type { ContainerMount, MountedVolume } from "./container-config.js";

/** The permission bits of a mode that Go wrote. */
const PERMISSIONS = 0o7777;

/** A mount of a container as its specification has it; `expand` fills in templates. Throws ClusterError `unimplemented` for a type that no host has. */
export function containerMountOf(mount: Mount, expand: (text: string) => string = (text) => text): ContainerMount {
  const common = { source: expand(mount.source), target: expand(mount.target), isReadOnly: mount.readOnly, propagation: "", sizeBytes: 0, mode: 0 };
  const { bindOptions: bind, tmpfsOptions: tmpfs } = mount;
  switch (mount.type) {
    case "bind":
      return {
        ...common,
        type: "bind",
        propagation: bind?.propagation ?? "",
        ...(bind?.nonRecursive === true ? { isShallow: true } : {}),
        ...(bind?.readOnlyNonRecursive === true ? { isReadOnlyShallow: true } : {}),
      };
    case "tmpfs":
      return { ...common, type: "tmpfs", source: "", sizeBytes: Number(tmpfs?.sizeBytes ?? 0n), mode: (tmpfs?.mode ?? 0) & PERMISSIONS };
    case "volume":
      return { ...common, type: "volume", source: "", volume: volumeOf(mount, expand) };
    default:
      throw new ClusterError("unimplemented", `mounts of type ${mount.type} are not supported yet: bind, volume and tmpfs are (target ${mount.target})`);
  }
}

function volumeOf({ source, volumeOptions: options }: Mount, expand: (text: string) => string): MountedVolume {
  const expandValues = (values: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, expand(value)]));
  const name = expand(source);
  return {
    name,
    isAnonymous: name === "",
    isCopied: options?.noCopy !== true,
    subpath: options?.subpath ?? "",
    driver: options?.driver?.name ?? "",
    options: expandValues(options?.driver?.options ?? {}),
    labels: expandValues(options?.labels ?? {}),
  };
}
