import { readFile, writeFile } from "node:fs/promises";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { CgroupPlan } from "./cgroup-plan.js";

/** Stops all processes of these groups where they are, or lets them go on; false for groups that are gone. Throws `unimplemented` on a machine that cannot. */
export async function setFrozen({ freezer }: CgroupPlan, isToBeFrozen: boolean): Promise<boolean> {
  if (freezer === null) throw new ClusterError("unimplemented", "this machine has no cgroup hierarchy that freezes processes");
  try {
    await writeFile(freezer.file, isToBeFrozen ? freezer.frozen : freezer.thawed);
    return true;
  } catch (cause) {
    if (isGone(cause)) return false;
    throw cause;
  }
}

/** False for groups that are gone. */
export async function isFrozen({ freezer }: CgroupPlan): Promise<boolean> {
  if (freezer === null) return false;
  try {
    return (await readFile(freezer.file, "utf8")).trim() === freezer.frozen;
  } catch (cause) {
    if (isGone(cause)) return false;
    throw cause;
  }
}

/** The group was removed: before its file was opened, or since. */
export function isGone(cause: unknown): boolean {
  const code = systemCodeOf(cause);
  return code === "ENOENT" || code === "ENODEV";
}
