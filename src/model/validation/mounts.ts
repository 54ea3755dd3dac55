import { posix } from "node:path";
import type { Mount } from "../objects.js";
import { invalid } from "./invalid.js";

const PROPAGATIONS: readonly string[] = ["", "private", "rprivate", "shared", "rshared", "slave", "rslave"];

const OPTIONS_OF = { bind: "bindOptions", volume: "volumeOptions", tmpfs: "tmpfsOptions" } as const;

/** Throws ClusterError `invalid_argument`. */
export function validateMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>();
  for (const mount of mounts) {
    validateMount(mount);
    const target = posix.resolve(mount.target);
    if (targets.has(target)) throw invalid(`ContainerSpec: duplicate mount point: ${mount.target}`);
    targets.add(target);
  }
}

/** One mount by itself, a service's or a container's. Throws ClusterError `invalid_argument`. */
export function validateMount(mount: Mount): void {
  if (mount.target === "") throw invalid("invalid mount target, must not be empty");
  if (!isAbsolute(mount.target)) throw invalid(`invalid mount target, must be an absolute path: ${mount.target}`);
  if (posix.resolve(mount.target) === "/") throw invalid("invalid mount target, must not be the root of the container");
  if (mount.type === "bind") validateBind(mount);
  if (mount.type === "tmpfs") validateTmpfs(mount);
  if (mount.type === "volume") validateVolume(mount);
  const foreign = Object.entries(OPTIONS_OF).find(([type, field]) => type !== mount.type && mount[field] !== null);
  if (foreign !== undefined)
    throw invalid(`invalid mount config for type "${mount.type}": field ${foreign[1][0]?.toUpperCase()}${foreign[1].slice(1)} must not be specified`);
}

function validateBind(mount: Mount): void {
  if (mount.source === "") throw invalid("invalid bind mount source, must not be empty");
  if (!isAbsolute(mount.source)) throw invalid(`invalid bind mount source, must be an absolute path: ${mount.source}`);
  const options = mount.bindOptions;
  const propagation = options?.propagation ?? "";
  if (!PROPAGATIONS.includes(propagation)) throw invalid(`invalid bind propagation "${propagation}"`);
  if (options?.readOnlyNonRecursive === true && options.readOnlyForceRecursive)
    throw invalid("mount options conflict: ReadOnlyNonRecursive and ReadOnlyForceRecursive");
  for (const field of ["readOnlyNonRecursive", "readOnlyForceRecursive"] as const) {
    if (options?.[field] === true && !mount.readOnly) throw invalid(`mount must be set readonly for ${field}`);
  }
}

function validateTmpfs(mount: Mount): void {
  if (mount.source !== "") throw invalid("invalid tmpfs source, source must be empty");
  if ((mount.tmpfsOptions?.sizeBytes ?? 0n) < 0n) throw invalid("invalid tmpfs size, must not be negative");
}

function validateVolume({ source, readOnly, volumeOptions }: Mount): void {
  if (source === "" && readOnly) throw invalid('invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes');
  const subpath = volumeOptions?.subpath ?? "";
  if (subpath === "") return;
  if (source === "") throw invalid('invalid mount config for type "volume": must not set Subpath when using anonymous volumes');
  if (subpath.startsWith("/") || subpath.split("/").includes(".."))
    throw invalid(`invalid mount config for type "volume": the subpath "${subpath}" must be relative, without ".."`);
}

/** What a template will become is known only on the node. */
function isAbsolute(path: string): boolean {
  return path.startsWith("/") || path.startsWith("{{");
}
