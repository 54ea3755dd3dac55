import type { ResourceAbilities } from "./resource-abilities.js";

/** Where this machine has its cgroup hierarchies. Hosts have version 2 only, version 1 only, or version 1 beside a version 2 without controllers. */
export interface CgroupLayout {
  /** Mount point by controller of version 1 (`memory`, `name=systemd`). */
  readonly legacy: ReadonlyMap<string, string>;
  /** Mount point of version 2; null when it is not mounted. */
  readonly unified: string | null;
  /** Controllers that version 2 has; those used by version 1 are not among them. */
  readonly unifiedControllers: readonly string[];
  readonly abilities: Pick<ResourceAbilities, "hasSwap" | "diskWeight">;
}

/** Reads /proc/self/mountinfo (proc_pid_mountinfo(5)). The first mount of a hierarchy counts. */
export function parseCgroupMounts(mountinfo: string): Pick<CgroupLayout, "legacy" | "unified"> {
  const legacy = new Map<string, string>();
  let unified: string | null = null;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ", 2);
    const [type, , superOptions = ""] = after.split(" ");
    const mountPoint = unescapeOctal(before.split(" ")[4] ?? "");
    if (type === "cgroup2") unified ??= mountPoint;
    if (type !== "cgroup") continue;
    for (const option of superOptions.split(",")) {
      if (CONTROLLERS.has(option) && !legacy.has(option)) legacy.set(option, mountPoint);
    }
  }
  // Version 2 freezes without a controller, and what is frozen there can be killed.
  if (unified !== null) legacy.delete("freezer");
  return { legacy, unified };
}

/** Every hierarchy of version 1 that is mounted, whatever its controllers. */
export function legacyMountPoints(mountinfo: string): readonly string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ", 2);
    return after.startsWith("cgroup ") ? [unescapeOctal(before.split(" ")[4] ?? "")] : [];
  });
}

const CONTROLLERS = new Set(["memory", "cpu", "cpuacct", "pids", "freezer", "devices", "cpuset", "blkio", "name=systemd"]);

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
