import { readFile, writeFile } from "node:fs/promises";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { CgroupPlan } from "./cgroup-plan.js";

/** Stops all processes of these groups where they are, or lets them go on. Throws `unimplemented` on a machine that cannot. */
export async function setFrozen({ freezer }: CgroupPlan, isToBeFrozen: boolean): Promise<void> {
  if (freezer === null) throw new ClusterError("unimplemented", "this machine has no cgroup hierarchy that freezes processes");
  try {
    await writeFile(freezer.file, isToBeFrozen ? freezer.frozen : freezer.thawed);
  } catch (cause) {
    // It ended meanwhile, and its group with it: nothing is left to let go on.
    const code = systemCodeOf(cause);
    if (isToBeFrozen || (code !== "ENOENT" && code !== "ENODEV")) throw cause;
  }
}

/** False for groups that are gone. */
export async function isFrozen({ freezer }: CgroupPlan): Promise<boolean> {
  if (freezer === null) return false;
  try {
    return (await readFile(freezer.file, "utf8")).trim() === freezer.frozen;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return false;
    throw cause;
  }
}
