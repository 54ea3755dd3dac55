import type { ContainerResources } from "../../../runtime/container-runtime.js";
import { badRequest, HttpError } from "../errors.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";

/** Docker refuses less: nothing runs in it. */
const MEMORY_BYTES_MIN = 6 * 1024 * 1024;
const CPU_PERIOD_US = { min: 1000, max: 1_000_000 };
const CPU_QUOTA_US_MIN = 1000;
const CPU_SHARES = { min: 2, max: 262_144 };

/** Limits of a container that is made. Throws 400 for those that contradict each other. */
export function resourcesFromDocker(host: Fields): ContainerResources {
  const asked = askedResources(host);
  const { pids = 0, ...rest } = asked;
  const resources = { nanoCpus: 0, memoryBytes: 0, ...rest, pids: Math.max(pids, 0) };
  check(resources);
  return resources;
}

/** Limits of a container after a change: what is not named, or is 0, stays. Throws 400 as above, and 409 for what contradicts what it has. */
export function changedResources(host: Fields, before: ContainerResources): ContainerResources {
  const asked = askedResources(host);
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
  const after = { ...before, ...asked };
  check(after);
  return after;
}

/** What `inspect` shows of them. */
export function resourcesOfContainer(resources: ContainerResources): { readonly [name: string]: Json } {
  const { nanoCpus, memoryBytes, pids, memorySwapBytes = 0, memoryReservationBytes = 0, cpuShares = 0, cpuPeriodUs = 0, cpuQuotaUs = 0 } = resources;
  return {
    NanoCpus: nanoCpus,
    CpuShares: cpuShares,
    CpuPeriod: cpuPeriodUs,
    CpuQuota: cpuQuotaUs,
    Memory: memoryBytes,
    MemoryReservation: memoryReservationBytes,
    MemorySwap: memorySwapBytes === 0 ? memoryBytes * 2 : memorySwapBytes,
    PidsLimit: pids <= 0 ? null : pids,
  };
}

/** Only what was asked for; 0 asks for nothing, and -1 for no limit. */
function askedResources(host: Fields): Partial<ContainerResources> {
  const pids = host.optionalInteger("PidsLimit");
  return {
    ...named("nanoCpus", host.count("NanoCpus")),
    ...named("memoryBytes", host.count("Memory")),
    ...named("memorySwapBytes", Number(host.integer("MemorySwap"))),
    ...named("memoryReservationBytes", host.count("MemoryReservation")),
    ...named("cpuShares", host.count("CpuShares")),
    ...named("cpuPeriodUs", host.count("CpuPeriod")),
    ...named("cpuQuotaUs", Number(host.integer("CpuQuota"))),
    ...(pids === undefined ? {} : { pids: pids <= 0n ? -1 : Number(pids) }),
  };
}

function named<K extends keyof ContainerResources>(key: K, value: number): Partial<ContainerResources> {
  return value === 0 ? {} : { [key]: value };
}

function check(resources: ContainerResources): void {
  const { nanoCpus, memoryBytes, memorySwapBytes = 0, memoryReservationBytes = 0, cpuShares = 0, cpuPeriodUs = 0, cpuQuotaUs = 0 } = resources;
  if (memoryBytes > 0 && memoryBytes < MEMORY_BYTES_MIN) throw badRequest("Minimum memory limit allowed is 6MB");
  if (memorySwapBytes < -1) throw badRequest(`invalid MemorySwap ${memorySwapBytes}: -1 is no limit`);
  if (memorySwapBytes > 0 && memoryBytes === 0) throw badRequest("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memorySwapBytes > 0 && memorySwapBytes < memoryBytes) throw badRequest("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memoryBytes > 0 && memoryReservationBytes > memoryBytes)
    throw badRequest("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (nanoCpus > 0 && cpuPeriodUs > 0) throw badRequest("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
  if (nanoCpus > 0 && cpuQuotaUs !== 0) throw badRequest("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
  if (cpuPeriodUs !== 0 && (cpuPeriodUs < CPU_PERIOD_US.min || cpuPeriodUs > CPU_PERIOD_US.max))
    throw badRequest("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (cpuQuotaUs > 0 && cpuQuotaUs < CPU_QUOTA_US_MIN) throw badRequest("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (cpuShares !== 0 && (cpuShares < CPU_SHARES.min || cpuShares > CPU_SHARES.max))
    throw badRequest(`invalid CpuShares ${cpuShares}: from 2 to 262144 are possible`);
}
