import type { ContainerResources, DiskLimits } from "../../../runtime/container-config.js";
import type { ResourceAbilities } from "../../../runtime/resource-abilities.js";
import { badRequest } from "../errors.js";

type Asked = Partial<ContainerResources>;

interface Discard {
  readonly keys: readonly (keyof ContainerResources)[];
  readonly isPossible: (abilities: ResourceAbilities) => boolean;
  readonly warning: string;
}

/** Docker's words: limits that a kernel does not have are left out, and who asked is told. */
const DISCARDS: readonly Discard[] = [
  discard(["memoryBytes", "memorySwapBytes"], ({ hasMemory }) => hasMemory, "memory limit capabilities or the cgroup is not mounted. Limitation discarded."),
  discard(["memorySwapBytes"], ({ hasSwap }) => hasSwap, "swap limit capabilities or the cgroup is not mounted. Memory limited without swap."),
  discard(
    ["memorySwappiness"],
    ({ hasSwappiness }) => hasSwappiness,
    "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
  ),
  discard(
    ["memoryReservationBytes"],
    ({ hasReservation }) => hasReservation,
    "memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
  ),
  discard(
    ["kernelMemoryTcpBytes"],
    ({ hasKernelMemoryTcp }) => hasKernelMemoryTcp,
    "kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded.",
  ),
  discard(["isOutOfMemoryKillDisabled"], ({ hasOutOfMemoryControl }) => hasOutOfMemoryControl, "OomKillDisable. OomKillDisable discarded."),
  discard(["pids"], ({ hasPids }) => hasPids, "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."),
  discard(["cpuShares"], ({ hasShares }) => hasShares, "CPU shares or the cgroup is not mounted. Shares discarded."),
  discard(["cpuPeriodUs"], ({ hasQuota }) => hasQuota, "CPU CFS scheduler or the cgroup is not mounted. CPU period discarded."),
  discard(["cpuQuotaUs"], ({ hasQuota }) => hasQuota, "CPU CFS scheduler or the cgroup is not mounted. CPU quota discarded."),
  discard(["cpusetCpus", "cpusetMems"], ({ cpuset }) => cpuset.cpus !== "", "cpuset or the cgroup is not mounted. Cpuset discarded."),
  discard(["diskWeight"], ({ diskWeight }) => diskWeight.file !== "", "Block I/O weight or the cgroup is not mounted. Weight discarded."),
];

interface DiskDiscard {
  readonly kind: keyof DiskLimits;
  readonly isPossible: (abilities: ResourceAbilities) => boolean;
  readonly warning: string;
}

const DISK_DISCARDS: readonly DiskDiscard[] = [
  {
    kind: "weight",
    isPossible: ({ diskWeight }) => diskWeight.file !== "",
    warning: "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
  },
  rate("readBytes", "BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded."),
  rate("writeBytes", "BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded."),
  rate("readOperations", "IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded."),
  rate("writeOperations", "IOPS Block I/O write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded."),
];

/** What of it this machine's kernel can keep, and warnings about the rest. Throws 400 for what Docker does not leave out either. */
export function possibleResources(asked: Asked, abilities: ResourceAbilities): { readonly resources: Asked; readonly warnings: readonly string[] } {
  const { cpuRealtimePeriodUs, cpuRealtimeRuntimeUs, nanoCpus = 0 } = asked;
  if (!abilities.hasRealtime && (cpuRealtimePeriodUs !== undefined || cpuRealtimeRuntimeUs !== undefined))
    throw badRequest("Your kernel does not support CPU real-time scheduler");
  if (!abilities.hasQuota && nanoCpus > 0)
    throw badRequest("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted");
  const impossible = DISCARDS.filter(({ keys, isPossible }) => !isPossible(abilities) && keys.some((key) => isAsked(asked[key])));
  const left = new Set<string>(impossible.flatMap(({ keys }) => keys));
  const kept: Asked = Object.fromEntries(Object.entries(asked).filter(([key]) => !left.has(key)));
  const disks = possibleDisks(kept.disks, abilities);
  const { disks: _, ...others } = kept;
  return {
    resources: disks.limits === undefined ? others : { ...others, disks: disks.limits },
    warnings: [...impossible.map(({ warning }) => warning), ...disks.warnings],
  };
}

function possibleDisks(
  asked: DiskLimits | undefined,
  abilities: ResourceAbilities,
): { readonly limits: DiskLimits | undefined; readonly warnings: readonly string[] } {
  if (asked === undefined) return { limits: undefined, warnings: [] };
  const impossible = DISK_DISCARDS.filter(({ kind, isPossible }) => !isPossible(abilities) && asked[kind] !== undefined);
  const kept = Object.entries(asked).filter(([kind]) => impossible.every((discarded) => discarded.kind !== kind));
  return { limits: kept.length === 0 ? undefined : Object.fromEntries(kept), warnings: impossible.map(({ warning }) => warning) };
}

/** Who only says that something shall not be limited misses nothing. */
function isAsked(value: unknown): boolean {
  return value !== undefined && value !== false && value !== -1;
}

function discard(keys: Discard["keys"], isPossible: Discard["isPossible"], what: string): Discard {
  return { keys, isPossible, warning: `Your kernel does not support ${what}` };
}

function rate(kind: keyof DiskLimits, what: string): DiskDiscard {
  return { kind, isPossible: ({ hasDiskRates }) => hasDiskRates, warning: `Your kernel does not support ${what}` };
}
