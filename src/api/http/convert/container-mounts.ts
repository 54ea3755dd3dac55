import { validateMount } from "../../../model/validation/mounts.js";
import { containerMountOf } from "../../../runtime/container-mount.js";
import type { ContainerMount, StorageRequest } from "../../../runtime/container-config.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { anonymousMount, normalisePath } from "../../../runtime/mount-plan.js";
import { badRequest, notSupported } from "../errors.js";
import { stringifyJson } from "../json.js";
import type { Fields } from "./fields.js";
import { mountFromDocker, mountToDocker } from "./mount.js";

const PROPAGATIONS = ["rprivate", "private", "rslave", "slave", "rshared", "shared"];
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

export interface RequestedMounts {
  readonly mounts: readonly ContainerMount[];
  readonly binds: readonly string[];
  readonly storage: StorageRequest;
  /** Sources of binds that are made where they are missing. */
  readonly foldersToMake: readonly string[];
}

/**
 * Binds, Mounts, Tmpfs and VolumesFrom of a HostConfig, and the paths of `-v /path`. What is asked for by itself goes before what comes from other containers.
 * Throws 400 for what is wrong, or asked for twice.
 */
export function mountsFromDocker(host: Fields, anonymousPaths: readonly string[], findContainer: (reference: string) => ContainerInfo): RequestedMounts {
  const driver = host.string("VolumeDriver");
  const binds = host.strings("Binds");
  const fromBinds = binds.map((text) => bindOf(text, driver));
  const specs = host.children("Mounts", mountFromDocker);
  for (const spec of specs) validateMount(spec);
  const tmpfs = host.record("Tmpfs");
  const own = [...fromBinds, ...specs.map((spec) => containerMountOf(spec)), ...Object.entries(tmpfs).map(([target, options]) => tmpfsOf(target, options))];
  const twice = own.find((mount, index) => own.findIndex(isAt(mount.target)) !== index);
  if (twice !== undefined) throw badRequest(`Duplicate mount point: ${twice.target}`);
  const volumesFrom = host.strings("VolumesFrom");
  const mounts = [...own];
  // The last of several containers wins.
  for (const mount of volumesFrom.toReversed().flatMap((text) => mountsOfOther(text, findContainer))) if (!mounts.some(isAt(mount.target))) mounts.push(mount);
  for (const path of anonymousPaths) if (!mounts.some(isAt(path))) mounts.push({ ...anonymousMount(path), ...withDriver(path, driver) });
  const bindSpecs = specs.filter((spec) => spec.type === "bind" && spec.bindOptions?.createMountpoint === true);
  return {
    mounts,
    binds,
    storage: { mounts: specs.length === 0 ? "" : stringifyJson(specs.map(mountToDocker)), tmpfs, volumesFrom, volumeDriver: driver },
    foldersToMake: [...fromBinds.filter(({ type }) => type === "bind"), ...bindSpecs].map(({ source }) => source),
  };
}

function isAt(target: string): (mount: ContainerMount) => boolean {
  return (mount) => normalisePath(mount.target) === normalisePath(target);
}

function withDriver(target: string, driver: string): Pick<ContainerMount, "volume"> {
  const { volume } = anonymousMount(target);
  return volume === undefined ? {} : { volume: { ...volume, driver } };
}

/** `target`, `source:target` or `source:target:options`; a source that is no path names a volume. */
function bindOf(text: string, driver: string): ContainerMount {
  const parts = text.split(":");
  if (parts.length > 3 || parts.some((part) => part === "")) throw badRequest(`invalid volume specification: '${text}'`);
  const [first = "", target, options = ""] = parts;
  if (target === undefined) return { ...anonymousMount(first), ...withDriver(first, driver) };
  const isBind = first.startsWith("/");
  let [isReadOnly, propagation, isCopied] = [false, "", true];
  for (const option of options.split(",").filter((word) => word !== "")) {
    if (PROPAGATIONS.includes(option) && isBind) propagation = option;
    else if (option === "ro" || option === "rw") isReadOnly = option === "ro";
    else if (option === "nocopy" && !isBind) isCopied = false;
    // Labels of SELinux, which is not here, and the way of a Mac to cache.
    else if (!["z", "Z", "cached", "delegated", "consistent"].includes(option)) throw badRequest(`invalid mode: ${option} in '${text}'`);
  }
  const common = { target, isReadOnly, propagation, sizeBytes: 0, mode: 0 };
  if (isBind) return { ...common, type: "bind", source: first };
  return { ...common, type: "volume", source: "", volume: { name: first, isAnonymous: false, isCopied, subpath: "", driver, options: {}, labels: {} } };
}

/** `container[:ro|rw]`: its binds and volumes. */
function mountsOfOther(text: string, findContainer: (reference: string) => ContainerInfo): readonly ContainerMount[] {
  const [reference = "", mode = "", ...rest] = text.split(":");
  if (reference === "" || rest.length > 0) throw badRequest(`invalid volumes-from specification: '${text}'`);
  const words = mode.split(",").filter((word) => word !== "" && word !== "z" && word !== "Z");
  if (words.some((word) => word !== "ro" && word !== "rw")) throw badRequest(`invalid mode for volumes-from: ${mode}`);
  return findContainer(reference)
    .config.mounts.filter(({ type }) => type !== "tmpfs")
    .map((mount) => ({
      ...mount,
      isReadOnly: words.length === 0 ? mount.isReadOnly : words.includes("ro"),
      ...(mount.volume === undefined ? {} : { volume: { ...mount.volume, isCopied: false } }),
    }));
}

/** Options of mount(8) for a tmpfs. */
function tmpfsOf(target: string, text: string): ContainerMount {
  const options: string[] = [];
  let [isReadOnly, sizeBytes, mode] = [false, 0, 0];
  for (const option of text.split(",").filter((word) => word !== "")) {
    const size = /^size=(\d+)([kmg]?)$/i.exec(option);
    const bits = /^mode=([0-7]{1,4})$/.exec(option);
    if (size !== null) sizeBytes = Number(size[1]) * (UNITS[(size[2] ?? "").toLowerCase()] ?? 1);
    else if (bits !== null) mode = Number.parseInt(bits[1] ?? "0", 8);
    else if (option === "ro" || option === "rw") isReadOnly = option === "ro";
    else if (/^(?:no)?(?:exec|suid|dev)$|^(?:uid|gid|nr_inodes)=\d+[kmg]?$/.test(option)) options.push(option);
    else throw notSupported(`the tmpfs option "${option}" is not supported yet`);
  }
  return { type: "tmpfs", source: "", target, isReadOnly, propagation: "", sizeBytes, mode, options };
}
