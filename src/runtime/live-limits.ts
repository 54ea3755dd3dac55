import { access, writeFile } from "node:fs/promises";
import { ClusterError, messageOf } from "../base/errors.js";
import type { CgroupPlan } from "./cgroup-plan.js";
import type { CgroupTree } from "./cgroup-tree.js";
import type { ContainerResources } from "./container-config.js";
import { requireRealtime } from "./realtime-budget.js";

/** Gives a container that runs the limits of the plan, in groups that it may not have had yet. Throws `failed_precondition` for what the kernel refuses, and as requireRealtime. */
export async function changeLimits(cgroups: CgroupTree, plan: CgroupPlan): Promise<void> {
  await requireRealtime(plan);
  await cgroups.makeMissing(plan);
  for (const { path, limits } of plan.groups) {
    // Rules of devices stay as they are: set anew, the container would be without for a moment.
    await applyLimits(
      path,
      limits.filter(([file]) => !file.startsWith("devices.")),
    );
  }
  await cgroups.gather(plan);
}

/** Whether changed limits may have made groups that its shim does not know. */
export function mayHaveLateGroups({ cpusetCpus, cpusetMems, diskWeight, disks }: ContainerResources): boolean {
  return [cpusetCpus, cpusetMems, diskWeight, disks].some((limit) => limit !== undefined);
}

/** A limit that is below another one of the same group must be raised after it, and lowered before it: what the kernel refuses is tried once more at the end. */
async function applyLimits(path: string, limits: readonly (readonly [file: string, text: string])[]): Promise<void> {
  const refused: (readonly [string, string])[] = [];
  for (const limit of limits) await writeFile(`${path}/${limit[0]}`, limit[1]).catch(() => refused.push(limit));
  for (const [file, text] of refused) {
    await writeFile(`${path}/${file}`, text).catch(async (cause: unknown) => {
      // The whole group is gone, as its container is.
      await access(path);
      throw new ClusterError("failed_precondition", `${file} of ${path} cannot be set to ${text}: ${messageOf(cause)}`, { cause });
    });
  }
}
