import { readFile } from "node:fs/promises";
import { systemCodeOf } from "../base/errors.js";
import type { CgroupGroup, CgroupPlan } from "./cgroup-plan.js";
import type { ContainerUsage, DiskUsage, NetworkUsage } from "./container-runtime.js";

export const NO_USAGE: ContainerUsage = {
  cpuNs: 0n,
  cpuUserNs: 0n,
  cpuKernelNs: 0n,
  cpuNsByProcessor: [],
  throttling: { periods: 0, throttledPeriods: 0, throttledNs: 0n },
  memoryBytes: 0,
  cacheBytes: 0,
  memoryPeakBytes: 0,
  memoryStatistics: {},
  memoryLimitBytes: 0,
  pids: 0,
  pidsLimit: 0,
  disks: [],
  networks: {},
};

/** What version 1 counts processor time of users and of the kernel in (sysconf _SC_CLK_TCK). */
const NS_PER_TICK = 10_000_000n;

/** Version 1 has no word for "no limit", but a number near the highest. */
const UNLIMITED_BYTES = 2 ** 60;

/** What is in the groups of a container, and what its network interfaces count. `pid` is its first process. */
export async function readUsage(plan: CgroupPlan, pid: number): Promise<ContainerUsage> {
  const find = (file: string) => firstNumber(plan.groups, file);
  const memoryLimit = (await find("memory.limit_in_bytes")) ?? (await find("memory.max")) ?? 0;
  const statistics = parseStatistics((await firstText(plan.groups, "memory.stat")) ?? "");
  return {
    ...(await processorUsage(plan.groups)),
    memoryBytes: (await find("memory.usage_in_bytes")) ?? (await find("memory.current")) ?? 0,
    cacheBytes: Number(statistics.total_inactive_file ?? statistics.inactive_file ?? 0),
    memoryPeakBytes: (await find("memory.max_usage_in_bytes")) ?? 0,
    memoryStatistics: statistics,
    memoryLimitBytes: memoryLimit >= UNLIMITED_BYTES ? 0 : memoryLimit,
    pids: (await find("pids.current")) ?? 0,
    pidsLimit: (await find("pids.max")) ?? 0,
    disks: parseDisks((await firstText(plan.groups, "io.stat")) ?? ""),
    networks: parseNetworks((await textOf(`/proc/${pid}/net/dev`)) ?? ""),
  };
}

/** Members of the container's groups, as the host counts them. */
export async function readProcesses(plan: CgroupPlan): Promise<readonly number[]> {
  const text = (await firstText(plan.groups, "cgroup.procs")) ?? "";
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Lines of io.stat of version 2: `254:0 rbytes=4096 wbytes=0 rios=1 …`; a device that was not used yet has no figures. */
export function parseDisks(text: string): readonly DiskUsage[] {
  return text.split("\n").flatMap((line) => {
    const [device = "", ...figures] = line.split(" ");
    const [major, minor] = device.split(":").map(Number);
    const values = new Map(figures.map((figure): [string, number] => [figure.split("=")[0] ?? "", Number(figure.split("=")[1])]));
    const readBytes = values.get("rbytes");
    if (major === undefined || minor === undefined || readBytes === undefined) return [];
    return [{ major, minor, readBytes, writtenBytes: values.get("wbytes") ?? 0 }];
  });
}

/** Interfaces of /proc/PID/net/dev (proc_pid_net(5)) but for loopback. */
function parseNetworks(text: string): Readonly<Record<string, NetworkUsage>> {
  const networks: Record<string, NetworkUsage> = {};
  for (const line of text.split("\n").slice(2)) {
    const [name = "", rest = ""] = line.trim().split(/:\s*/, 2);
    if (name === "" || name === "lo") continue;
    const fields = rest.split(/\s+/).map(Number);
    const field = (index: number) => fields[index] ?? 0;
    networks[name] = {
      receivedBytes: field(0),
      receivedPackets: field(1),
      receivedErrors: field(2),
      receivedDropped: field(3),
      sentBytes: field(8),
      sentPackets: field(9),
      sentErrors: field(10),
      sentDropped: field(11),
    };
  }
  return networks;
}

/** Of either version: 1 has files of its own for it, 2 has all in cpu.stat. */
async function processorUsage(
  groups: readonly CgroupGroup[],
): Promise<Pick<ContainerUsage, "cpuNs" | "cpuUserNs" | "cpuKernelNs" | "cpuNsByProcessor" | "throttling">> {
  const counted = parseStatistics((await firstText(groups, "cpu.stat")) ?? "");
  const throttling = {
    periods: Number(counted.nr_periods ?? 0),
    throttledPeriods: Number(counted.nr_throttled ?? 0),
    throttledNs: counted.throttled_time ?? (counted.throttled_usec ?? 0n) * 1000n,
  };
  const legacy = await firstText(groups, "cpuacct.usage");
  if (legacy === undefined) {
    const microseconds = (name: string) => (counted[name] ?? 0n) * 1000n;
    return {
      cpuNs: microseconds("usage_usec"),
      cpuUserNs: microseconds("user_usec"),
      cpuKernelNs: microseconds("system_usec"),
      cpuNsByProcessor: [],
      throttling,
    };
  }
  const ticks = parseStatistics((await firstText(groups, "cpuacct.stat")) ?? "");
  const byProcessor = ((await firstText(groups, "cpuacct.usage_percpu")) ?? "").trim();
  return {
    cpuNs: BigInt(legacy.trim()),
    cpuUserNs: (ticks.user ?? 0n) * NS_PER_TICK,
    cpuKernelNs: (ticks.system ?? 0n) * NS_PER_TICK,
    cpuNsByProcessor: byProcessor === "" ? [] : byProcessor.split(/\s+/).map(BigInt),
    throttling,
  };
}

async function firstNumber(groups: readonly CgroupGroup[], file: string): Promise<number | undefined> {
  const text = (await firstText(groups, file))?.trim();
  return text === undefined ? undefined : text === "max" ? 0 : Number(text);
}

async function firstText(groups: readonly CgroupGroup[], file: string): Promise<string | undefined> {
  for (const { path } of groups) {
    const text = await textOf(`${path}/${file}`);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Undefined for a file that is not there (any more). */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ENODEV" || code === "ESRCH" || code === "EINVAL") return undefined;
    throw cause;
  }
}

/** Lines `name number`. */
function parseStatistics(text: string): Readonly<Record<string, bigint>> {
  const lines = text.split("\n").map((line) => /^(\w+) (\d+)$/.exec(line));
  return Object.fromEntries(lines.flatMap((match) => (match === null ? [] : [[match[1] ?? "", BigInt(match[2] ?? 0)]])));
}
