import type { ContainerResources } from "../../../runtime/container-config.js";
import { changedDisks } from "../../../runtime/disk-limits.js";
import type { ResourceAbilities } from "../../../runtime/resource-abilities.js";
import { badRequest, HttpError } from "../errors.js";
import type { Json } from "../json.js";
import { checkWeight, disksFromDocker, disksToDocker } from "./container-disks.js";
import { checkCpuset } from "./cpuset.js";
import type { Fields } from "./fields.js";
import { possibleResources } from "./possible-resources.js";

/** Docker refuses less: nothing runs in it. */
const MEMORY_BYTES_MIN = 6 * 1024 * 1024;
const CPU_PERIOD_US = { min: 1000, max: 1_000_000 };
const CPU_QUOTA_US_MIN = 1000;
const CPU_SHARES = { min: 2, max: 262_144 };
const SWAPPINESS_MAX = 100;
const KERNEL_MEMORY_WARNING = "Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.";

/** Limits, and warnings about those that the kernel does not have. */
export interface RequestedResources {
  readonly resources: ContainerResources;
  readonly warnings: readonly string[];
}

/** Limits that are to be others, and warnings as above. */
export interface ResourceChange {
  /** Of those that it has. Throws 409 for what contradicts them. */
  readonly resourcesOf: (before: ContainerResources) => ContainerResources;
  readonly warnings: readonly string[];
}

/** Limits of a container that is made. Throws 400 for those that contradict each other, or what the machine has. */
export function resourcesFromDocker(host: Fields, abilities: ResourceAbilities): RequestedResources {
  const { resources: asked, warnings } = askedResources(host, abilities);
  const { pids = 0, isOutOfMemoryKillDisabled = false, ...rest } = asked;
  const oom = isOutOfMemoryKillDisabled ? { isOutOfMemoryKillDisabled } : {};
  const resources = { nanoCpus: 0, memoryBytes: 0, ...rest, ...oom, pids: Math.max(pids, 0) };
  check(resources);
  return { resources, warnings: [...warnings, ...warningsOf(resources)] };
}

/** A change of a container's limits: what is not named, or is 0, stays. Throws 400 as above. */
export function changedResources(host: Fields, abilities: ResourceAbilities): ResourceChange {
  const { resources: asked, warnings } = askedResources(host, abilities);
  return { resourcesOf: (before) => resourcesAfter(before, asked), warnings };
}

function resourcesAfter(before: ContainerResources, asked: Partial<ContainerResources>): ContainerResources {
  const { cpuPeriodUs = 0, cpuQuotaUs = 0, memorySwapBytes = 0 } = before;
  if (asked.nanoCpus !== undefined && (cpuPeriodUs > 0 || cpuQuotaUs !== 0)) {
    throw new HttpError(409, "Conflicting options: Nano CPUs cannot be updated as CPU Period or CPU Quota has already been set");
  }
  if ((asked.cpuPeriodUs !== undefined || asked.cpuQuotaUs !== undefined) && before.nanoCpus > 0) {
    throw new HttpError(409, "Conflicting options: CPU Period and CPU Quota cannot be updated as NanoCPUs has already been set");
  }
  if (memorySwapBytes > 0 && (asked.memoryBytes ?? 0) > memorySwapBytes && asked.memorySwapBytes === undefined) {
    throw new HttpError(409, "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
  }
  const disks = asked.disks === undefined ? {} : { disks: changedDisks(before.disks ?? {}, asked.disks) };
  const resources = { ...before, ...asked, ...disks };
  check(resources);
  return resources;
}

/** What `inspect` shows of them. */
export function resourcesOfContainer(resources: ContainerResources): { readonly [name: string]: Json } {
  const { nanoCpus, memoryBytes, pids, memorySwapBytes = 0 } = resources;
  return {
    NanoCpus: nanoCpus,
    CpuShares: resources.cpuShares ?? 0,
    CpuPeriod: resources.cpuPeriodUs ?? 0,
    CpuQuota: resources.cpuQuotaUs ?? 0,
    CpuRealtimePeriod: resources.cpuRealtimePeriodUs ?? 0,
    CpuRealtimeRuntime: resources.cpuRealtimeRuntimeUs ?? 0,
    CpusetCpus: resources.cpusetCpus ?? "",
    CpusetMems: resources.cpusetMems ?? "",
    Memory: memoryBytes,
    MemoryReservation: resources.memoryReservationBytes ?? 0,
    MemorySwap: memorySwapBytes === 0 ? memoryBytes * 2 : memorySwapBytes,
    MemorySwappiness: resources.memorySwappiness ?? null,
    OomKillDisable: resources.isOutOfMemoryKillDisabled ?? false,
    KernelMemoryTCP: resources.kernelMemoryTcpBytes,
    PidsLimit: pids <= 0 ? null : pids,
    BlkioWeight: resources.diskWeight ?? 0,
    ...disksToDocker(resources.disks ?? {}),
  };
}

/** Only what was asked for; 0 asks for nothing, and -1 for no limit. */
function askedResources(host: Fields, abilities: ResourceAbilities) {
  const pids = host.optionalInteger("PidsLimit");
  const swappiness = host.optionalInteger("MemorySwappiness") ?? -1n;
  const isOutOfMemoryKillDisabled = host.optionalBoolean("OomKillDisable");
  const disks = disksFromDocker(host);
  const kernelMemory = host.count("KernelMemory");
  const asked: Partial<ContainerResources> = {
    ...named("nanoCpus", host.count("NanoCpus")),
    ...named("memoryBytes", host.count("Memory")),
    ...named("memorySwapBytes", Number(host.integer("MemorySwap"))),
    ...named("memoryReservationBytes", host.count("MemoryReservation")),
    ...named("kernelMemoryTcpBytes", host.count("KernelMemoryTCP")),
    ...named("cpuShares", host.count("CpuShares")),
    ...named("cpuPeriodUs", host.count("CpuPeriod")),
    ...named("cpuQuotaUs", Number(host.integer("CpuQuota"))),
    ...named("cpuRealtimePeriodUs", host.count("CpuRealtimePeriod")),
    ...named("cpuRealtimeRuntimeUs", host.count("CpuRealtimeRuntime")),
    ...named("cpusetCpus", host.string("CpusetCpus")),
    ...named("cpusetMems", host.string("CpusetMems")),
    ...named("diskWeight", host.count("BlkioWeight")),
    // Clients say -1 for none of their own.
    ...(swappiness === -1n ? {} : { memorySwappiness: Number(swappiness) }),
    ...(isOutOfMemoryKillDisabled === undefined ? {} : { isOutOfMemoryKillDisabled }),
    ...(pids === undefined ? {} : { pids: pids <= 0n ? -1 : Number(pids) }),
    ...(disks === undefined ? {} : { disks }),
  };
  const { resources, warnings } = possibleResources(asked, abilities);
  checkMachine(resources, abilities);
  // No kernel of these years has it.
  return { resources, warnings: kernelMemory === 0 ? warnings : [KERNEL_MEMORY_WARNING, ...warnings] };
}

function checkMachine({ nanoCpus = 0, cpusetCpus = "", cpusetMems = "" }: Partial<ContainerResources>, { cpuCount, cpuset }: ResourceAbilities): void {
  if (nanoCpus > cpuCount * 1e9) throw badRequest(`Range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`);
  checkCpuset(cpusetCpus, cpuset.cpus, { short: "cpus", long: "CPUs" });
  checkCpuset(cpusetMems, cpuset.memoryNodes, { short: "mems", long: "memory nodes" });
}

function warningsOf({ isOutOfMemoryKillDisabled, memoryBytes }: ContainerResources): readonly string[] {
  if (isOutOfMemoryKillDisabled !== true || memoryBytes > 0) return [];
  return ["OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources."];
}

function named<K extends keyof ContainerResources>(key: K, value: number | string): Partial<ContainerResources> {
  return value === 0 || value === "" ? {} : { [key]: value };
}

function check(resources: ContainerResources): void {
  checkMemory(resources);
  checkProcessors(resources);
  checkWeight(resources.diskWeight ?? 0);
}

function checkMemory({ memoryBytes, memorySwapBytes = 0, memoryReservationBytes = 0, memorySwappiness = 0 }: ContainerResources): void {
  if (memoryBytes > 0 && memoryBytes < MEMORY_BYTES_MIN) throw badRequest("Minimum memory limit allowed is 6MB");
  if (memorySwapBytes < -1) throw badRequest(`invalid MemorySwap ${memorySwapBytes}: -1 is no limit`);
  if (memorySwapBytes > 0 && memoryBytes === 0) throw badRequest("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memorySwapBytes > 0 && memorySwapBytes < memoryBytes) throw badRequest("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memoryBytes > 0 && memoryReservationBytes > memoryBytes)
    throw badRequest("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (memorySwappiness < 0 || memorySwappiness > SWAPPINESS_MAX) throw badRequest(`Invalid value: ${memorySwappiness}, valid memory swappiness range is 0-100`);
}

function checkProcessors(resources: ContainerResources): void {
  const { nanoCpus, cpuShares = 0, cpuPeriodUs = 0, cpuQuotaUs = 0, cpuRealtimePeriodUs = 0, cpuRealtimeRuntimeUs = 0 } = resources;
  if (nanoCpus > 0 && cpuPeriodUs > 0) throw badRequest("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
  if (nanoCpus > 0 && cpuQuotaUs !== 0) throw badRequest("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
  if (cpuPeriodUs !== 0 && (cpuPeriodUs < CPU_PERIOD_US.min || cpuPeriodUs > CPU_PERIOD_US.max))
    throw badRequest("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (cpuQuotaUs > 0 && cpuQuotaUs < CPU_QUOTA_US_MIN) throw badRequest("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (cpuShares !== 0 && (cpuShares < CPU_SHARES.min || cpuShares > CPU_SHARES.max))
    throw badRequest(`invalid CpuShares ${cpuShares}: from 2 to 262144 are possible`);
  if (cpuRealtimePeriodUs > 0 && cpuRealtimeRuntimeUs > cpuRealtimePeriodUs)
    throw badRequest(`CPU real-time runtime ${cpuRealtimeRuntimeUs} cannot be higher than the period ${cpuRealtimePeriodUs}`);
}
