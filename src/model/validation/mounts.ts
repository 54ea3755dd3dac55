import { posix } from "node:path";
import type { Mount } from "../objects.js";
import { invalid } from "./invalid.js";

const PROPAGATIONS: readonly string[] = ["", "private", "rprivate", "shared", "rshared", "slave", "rslave"];

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

function validateMount(mount: Mount): void {
  if (mount.target === "") throw invalid("invalid mount target, must not be empty");
  if (!isAbsolute(mount.target)) throw invalid(`invalid mount target, must be an absolute path: ${mount.target}`);
  if (posix.resolve(mount.target) === "/") throw invalid("invalid mount target, must not be the root of the container");
  if (mount.type === "bind") validateBind(mount);
  if (mount.type === "tmpfs") validateTmpfs(mount);
}

function validateBind(mount: Mount): void {
  if (mount.source === "") throw invalid("invalid bind mount source, must not be empty");
  if (!isAbsolute(mount.source)) throw invalid(`invalid bind mount source, must be an absolute path: ${mount.source}`);
  const propagation = mount.bindOptions?.propagation ?? "";
  if (!PROPAGATIONS.includes(propagation)) throw invalid(`invalid bind propagation "${propagation}"`);
}

function validateTmpfs(mount: Mount): void {
  if (mount.source !== "") throw invalid("invalid tmpfs source, source must be empty");
  if ((mount.tmpfsOptions?.sizeBytes ?? 0n) < 0n) throw invalid("invalid tmpfs size, must not be negative");
}

/** What a template will become is known only on the node. */
function isAbsolute(path: string): boolean {
  return path.startsWith("/") || path.startsWith("{{");
}
