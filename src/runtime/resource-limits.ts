import type { CgroupLayout } from "./cgroup-layout.js";
import type { ContainerResources } from "./container-config.js";
import { legacyDiskLimits, unifiedDiskLimits } from "./disk-limits.js";

export type Limit = readonly [file: string, text: string];

const CPU_PERIOD_US = 100_000;
/** The kernel's least quota. */
const CPU_QUOTA_US_MIN = 1000;

/** Files of a group of version 1 and what is written into them, by controller (Linux, admin-guide/cgroup-v1). */
export function legacyLimits(controller: string, resources: ContainerResources, abilities: CgroupLayout["abilities"]): readonly Limit[] {
  const { pids, cpusetCpus = "", cpusetMems = "" } = resources;
  switch (controller) {
    case "memory":
      return legacyMemoryLimits(resources, abilities.hasSwap);
    case "pids":
      return limit(pids !== 0, "pids.max", pids > 0 ? pids : "max");
    case "cpu":
      return legacyCpuLimits(resources);
    case "cpuset":
      return [...limit(cpusetCpus !== "", "cpuset.cpus", cpusetCpus), ...limit(cpusetMems !== "", "cpuset.mems", cpusetMems)];
    case "blkio":
      return legacyDiskLimits(resources, abilities.diskWeight);
    default:
      return [];
  }
}

/** The same in a group of version 2 (Linux, admin-guide/cgroup-v2), for those controllers that are there. */
export function unifiedLimits(has: (controller: string) => boolean, resources: ContainerResources, abilities: CgroupLayout["abilities"]): readonly Limit[] {
  const { memoryBytes, pids, memoryReservationBytes = 0, cpuShares = 0, cpusetCpus = "", cpusetMems = "" } = resources;
  const both = memoryAndSwap(resources);
  const cpu = cpuTime(resources);
  const quota = cpu !== null && cpu.quotaUs > 0 ? cpu.quotaUs : "max";
  return [
    ...limit(has("memory") && memoryReservationBytes > 0, "memory.low", memoryReservationBytes),
    ...limit(has("memory") && memoryBytes > 0, "memory.max", memoryBytes),
    ...limit(has("memory") && memoryBytes > 0 && abilities.hasSwap, "memory.swap.max", both < 0 ? "max" : both - memoryBytes),
    ...limit(has("pids") && pids !== 0, "pids.max", pids > 0 ? pids : "max"),
    ...limit(has("cpu") && cpuShares > 0, "cpu.weight", weightOf(cpuShares)),
    ...limit(has("cpu") && cpu !== null, "cpu.max", `${quota} ${cpu?.periodUs ?? 0}`),
    ...limit(has("cpuset") && cpusetCpus !== "", "cpuset.cpus", cpusetCpus),
    ...limit(has("cpuset") && cpusetMems !== "", "cpuset.mems", cpusetMems),
    ...(has("io") ? unifiedDiskLimits(resources, abilities.diskWeight) : []),
  ];
}

function legacyMemoryLimits(resources: ContainerResources, hasSwap: boolean): readonly Limit[] {
  const { memoryBytes, memoryReservationBytes = 0, kernelMemoryTcpBytes = 0, memorySwappiness, isOutOfMemoryKillDisabled } = resources;
  return [
    ...limit(memoryReservationBytes > 0, "memory.soft_limit_in_bytes", memoryReservationBytes),
    ...limit(memoryBytes > 0, "memory.limit_in_bytes", memoryBytes),
    ...limit(memoryBytes > 0 && hasSwap, "memory.memsw.limit_in_bytes", memoryAndSwap(resources)),
    ...limit(kernelMemoryTcpBytes > 0, "memory.kmem.tcp.limit_in_bytes", kernelMemoryTcpBytes),
    ...limit(memorySwappiness !== undefined, "memory.swappiness", memorySwappiness ?? 0),
    ...limit(isOutOfMemoryKillDisabled !== undefined, "memory.oom_control", isOutOfMemoryKillDisabled === true ? 1 : 0),
  ];
}

function legacyCpuLimits(resources: ContainerResources): readonly Limit[] {
  const { cpuShares = 0, cpuRealtimePeriodUs = 0, cpuRealtimeRuntimeUs = 0 } = resources;
  const cpu = cpuTime(resources);
  return [
    ...limit(cpuShares > 0, "cpu.shares", cpuShares),
    ...limit(cpu !== null, "cpu.cfs_period_us", cpu?.periodUs ?? 0),
    ...limit(cpu !== null, "cpu.cfs_quota_us", cpu?.quotaUs ?? 0),
    ...limit(cpuRealtimePeriodUs > 0, "cpu.rt_period_us", cpuRealtimePeriodUs),
    ...limit(cpuRealtimeRuntimeUs > 0, "cpu.rt_runtime_us", cpuRealtimeRuntimeUs),
  ];
}

function limit(isSet: boolean, file: string, value: number | string): readonly Limit[] {
  return isSet ? [[file, String(value)]] : [];
}

/** As much swap as memory unless it was said otherwise, as Docker does it; -1 is no limit. */
function memoryAndSwap({ memoryBytes, memorySwapBytes = 0 }: ContainerResources): number {
  return memorySwapBytes === 0 ? memoryBytes * 2 : memorySwapBytes;
}

function cpuTime({ nanoCpus, cpuQuotaUs = 0, cpuPeriodUs = 0 }: ContainerResources): { readonly quotaUs: number; readonly periodUs: number } | null {
  if (nanoCpus > 0) return { quotaUs: Math.max(Math.round((nanoCpus * CPU_PERIOD_US) / 1e9), CPU_QUOTA_US_MIN), periodUs: CPU_PERIOD_US };
  return cpuQuotaUs === 0 && cpuPeriodUs === 0 ? null : { quotaUs: cpuQuotaUs === 0 ? -1 : cpuQuotaUs, periodUs: cpuPeriodUs || CPU_PERIOD_US };
}

/** Shares from 2 to 262144 become weights from 1 to 10000, as the OCI runtimes do it. */
function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262142);
}
