import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { ContainerConfig } from "./container-config.js";
import { FilesProgram } from "./files/files-program.js";
import type { IdMaps } from "./launch.js";
import { encode } from "./shim/launch-record.js";
import { mapText, planRemap } from "./subordinate-ids.js";

/** Containers run in user namespaces with these maps, unless they ask for the host's. */
export interface UserRemap {
  /** Whose subordinate identifiers they are. */
  readonly user: string;
  readonly maps: IdMaps;
  /** Who a container's root is on the host. */
  readonly root: { readonly uid: number; readonly gid: number };
}

/** Reads what `userns-remap` names; null when it is empty. Throws ClusterError `invalid_argument` with what is missing where. */
export async function readUserRemap(setting: string): Promise<UserRemap | null> {
  if (setting === "") return null;
  const [passwd, group, subuid, subgid] = await Promise.all(["passwd", "group", "subuid", "subgid"].map((name) => readText(`/etc/${name}`)));
  const { user, users, groups } = planRemap(setting, { passwd: passwd ?? "", group: group ?? "", subuid: subuid ?? "", subgid: subgid ?? "" });
  return {
    user,
    maps: { users: mapText(users), groups: mapText(groups) },
    root: { uid: users[0]?.first ?? 0, gid: groups[0]?.first ?? 0 },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return "";
    throw cause;
  }
}

/** Of the container's user namespace; null leaves it in the host's. */
export function mapsOf({ usesHostUsers = false }: Pick<ContainerConfig, "usesHostUsers">, remap: UserRemap | null): IdMaps | null {
  return usesHostUsers ? null : (remap?.maps ?? null);
}

/** The same for one that is to be made or started, which may be from a time without remapping. Throws `invalid_argument` for what cannot be in a user namespace. */
export function requireMaps(config: ContainerConfig, remap: UserRemap | null): IdMaps | null {
  const maps = mapsOf(config, remap);
  if (maps !== null) validateRemapped(config);
  return maps;
}

/** Of the user namespace that a process is in. Throws `failed_precondition` when it is the host's, which who is remapped cannot join. */
export async function readMaps(pid: number): Promise<IdMaps> {
  const [users, groups, own] = await Promise.all([`${pid}/uid_map`, `${pid}/gid_map`, "self/uid_map"].map((name) => readFile(`/proc/${name}`, "utf8")));
  if (users !== own) return { users: withoutPadding(users), groups: withoutPadding(groups) };
  throw new ClusterError("failed_precondition", "a container whose namespace is to be joined is in the host's user namespace, and this one is not");
}

function withoutPadding(map = ""): string {
  return map.replace(/^ +/gm, "").replace(/ +/g, " ");
}

/** Throws `invalid_argument`, in Docker's words where it has some, for what would need the host's own. */
function validateRemapped(config: Pick<ContainerConfig, "isPrivileged" | "network" | "hostNamespaces">): void {
  const refuse = (text: string) => new ClusterError("invalid_argument", text);
  if (config.isPrivileged) {
    throw refuse("privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode");
  }
  const [shared] = config.hostNamespaces ?? [];
  if (shared !== undefined) throw refuse(`cannot share the host's ${shared} namespace when user namespaces are enabled`);
  if (config.network === "host") throw refuse("cannot share the host's network namespace when user namespaces are enabled");
}

/** Mounts a container's root as it would be, to find out what this kernel and the data root's file system can. Throws `failed_precondition` with the reason. */
export async function requireRemap(
  { maps }: UserRemap,
  options: { readonly dataRoot: string; readonly layer: string; readonly program: string },
): Promise<void> {
  const folder = join(options.dataRoot, "userns-check");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o700 });
  const view = encode([
    ["root", join(folder, "root")],
    ["upper", join(folder, "upper")],
    ["work", join(folder, "work")],
    ["layer", options.layer],
    ["map.users", maps.users],
    ["map.groups", maps.groups],
  ]);
  const check = new FilesProgram(options.program, { words: ["check-maps"], view });
  try {
    await check.done;
  } catch (cause) {
    const needs = "Linux 5.19 or newer, user namespaces, and a file system that has idmapped mounts (ext4, xfs, btrfs)";
    throw new ClusterError("failed_precondition", `userns-remap needs for ${options.dataRoot} ${needs}: ${messageOf(cause)}`, { cause });
  } finally {
    await check.closed;
    await rm(folder, { recursive: true, force: true });
  }
}
