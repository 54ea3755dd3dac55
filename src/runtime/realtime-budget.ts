import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { foldersOf } from "./cgroup-folder.js";
import type { CgroupLayout } from "./cgroup-layout.js";
import type { CgroupPlan } from "./cgroup-plan.js";

/**
 * What all processes of a group that run by a real-time policy may use together: `runtimeUs` in every `periodUs` (Linux, scheduler/sched-rt-group). A new group has
 * none, and can have no more than what those above and beside it leave.
 */
export interface RealtimeTime {
  /** 0 leaves what is there. */
  readonly runtimeUs: number;
  readonly periodUs: number;
}

const RUNTIME = "cpu.rt_runtime_us";
const PERIOD = "cpu.rt_period_us";

/** Daemons that begin at the same time raise what is above both of them. */
const ATTEMPTS = 5;
/** A part of a microsecond that comes from fractions alone. */
const ROUNDING_US = 1e-3;

/**
 * Gives the group that holds an owner's containers this time, and raises what is above it by as much as is missing: groups beside it keep theirs. Throws
 * `failed_precondition` when the kernel has no such limits, or there is less left.
 */
export async function giveRealtime({ legacy, unified }: Pick<CgroupLayout, "legacy" | "unified">, group: string, time: RealtimeTime): Promise<void> {
  const mountPoint = legacy.get("cpu");
  const refuse = (reason: string) => new ClusterError("failed_precondition", `cpu-rt-runtime and cpu-rt-period cannot be kept here: ${reason}`);
  if (mountPoint === undefined)
    throw refuse(`the cpu controller of cgroup version 1 is not mounted${unified === null ? "" : ", and version 2 has no such limits"}`);
  if (!existsSync(join(mountPoint, group, RUNTIME)))
    throw refuse(`this kernel has no CONFIG_RT_GROUP_SCHED (there is no ${RUNTIME} in ${mountPoint}/${group})`);
  for (let attempt = 1; ; attempt++) {
    try {
      if (time.runtimeUs > 0) await raiseAbove(mountPoint, group, time.runtimeUs / time.periodUs);
      return await setTime(join(mountPoint, group), time);
    } catch (cause) {
      if (systemCodeOf(cause) !== "EINVAL") throw cause;
      if (attempt < ATTEMPTS) continue;
      throw refuse(
        `${time.runtimeUs} of ${time.periodUs} microseconds are more than kernel.sched_rt_runtime_us and the groups beside it leave for ${mountPoint}/${group}, or less than what containers in it have: ${messageOf(cause)}`,
      );
    }
  }
}

/** Throws `failed_precondition` when a container's groups ask for more real-time processor time than there is left where they are; the kernel would only say that it is invalid. */
export async function requireRealtime({ groups }: CgroupPlan): Promise<void> {
  for (const { path, limits } of groups) {
    const limitOf = (file: string) => Number(limits.find(([name]) => name === file)?.[1] ?? 0);
    const runtimeUs = limitOf(RUNTIME);
    if (runtimeUs === 0) continue;
    const parent = dirname(path);
    const periodUs = limitOf(PERIOD) || (await timeOf(path))?.periodUs || DEFAULT_PERIOD_US;
    const given = (await timeOf(parent)) ?? NONE;
    const others = await sharesIn(parent, basename(path));
    if (runtimeUs / periodUs + others <= shareOf(given)) continue;
    const used = Math.round(others * given.periodUs);
    throw new ClusterError(
      "failed_precondition",
      `${runtimeUs} of ${periodUs} microseconds of real-time processor time are more than what is left in ${parent}: ${given.runtimeUs} of ${given.periodUs} for all containers, ${used} of them given away (the daemon's setting cpu-rt-runtime)`,
    );
  }
}

/** Of a group that nobody has set anything in. */
export const DEFAULT_PERIOD_US = 1_000_000;
const NONE: RealtimeTime = { runtimeUs: 0, periodUs: DEFAULT_PERIOD_US };

async function raiseAbove(mountPoint: string, group: string, share: number): Promise<void> {
  const parent = dirname(group);
  if (parent === ".") return;
  const path = join(mountPoint, parent);
  const needed = share + (await sharesIn(path, basename(group)));
  const now = (await timeOf(path)) ?? NONE;
  const runtimeUs = Math.ceil(needed * now.periodUs - ROUNDING_US);
  if (now.runtimeUs < 0 || now.runtimeUs >= runtimeUs) return;
  await raiseAbove(mountPoint, parent, needed);
  await writeFile(join(path, RUNTIME), String(runtimeUs));
}

/** Runtime and period are written one after the other, and both must fit in between: in the order which does. */
async function setTime(path: string, { runtimeUs, periodUs }: RealtimeTime): Promise<void> {
  const setPeriod = () => writeFile(join(path, PERIOD), String(periodUs));
  const setRuntime = async () => {
    if (runtimeUs > 0) await writeFile(join(path, RUNTIME), String(runtimeUs));
  };
  try {
    await setPeriod();
    await setRuntime();
  } catch (cause) {
    if (systemCodeOf(cause) !== "EINVAL") throw cause;
    await setRuntime();
    await setPeriod();
  }
}

/** What groups in that folder have together, but for one: as parts of all processor time. */
async function sharesIn(folder: string, except: string): Promise<number> {
  const names = (await foldersOf(folder)).filter((name) => name !== except);
  const times = await Promise.all(names.map((name) => timeOf(join(folder, name))));
  return times.reduce((sum, time) => sum + shareOf(time ?? NONE), 0);
}

function shareOf({ runtimeUs, periodUs }: RealtimeTime): number {
  return runtimeUs < 0 ? 1 : runtimeUs / periodUs;
}

/** Null when the group is not there (any more). */
async function timeOf(path: string): Promise<RealtimeTime | null> {
  try {
    const [runtime, period] = await Promise.all([RUNTIME, PERIOD].map((file) => readFile(join(path, file), "utf8")));
    return { runtimeUs: Number(runtime), periodUs: Number(period) };
  } catch (cause) {
    if (["ENOENT", "ENODEV"].includes(systemCodeOf(cause) ?? "")) return null;
    throw cause;
  }
}
