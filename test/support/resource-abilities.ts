import type { ResourceAbilities } from "../../src/runtime/resource-abilities.js";

/** Of a machine with 4 processors, one memory node and cgroups of version 1 with everything. */
export const ALL_ABILITIES: ResourceAbilities = {
  cpuCount: 4,
  cpuset: { cpus: "0-3", memoryNodes: "0" },
  hasMemory: true,
  hasReservation: true,
  hasSwap: true,
  hasSwappiness: true,
  hasOutOfMemoryControl: true,
  hasKernelMemoryTcp: true,
  hasPids: true,
  hasShares: true,
  hasQuota: true,
  hasRealtime: true,
  hasDiskRates: true,
  diskWeight: { file: "blkio.bfq.weight", deviceFile: "blkio.bfq.weight_device" },
};

/** Of one whose kernel has nothing to limit with. */
export const NO_ABILITIES: ResourceAbilities = {
  ...ALL_ABILITIES,
  cpuset: { cpus: "", memoryNodes: "" },
  hasMemory: false,
  hasReservation: false,
  hasSwap: false,
  hasSwappiness: false,
  hasOutOfMemoryControl: false,
  hasKernelMemoryTcp: false,
  hasPids: false,
  hasShares: false,
  hasQuota: false,
  hasRealtime: false,
  hasDiskRates: false,
  diskWeight: { file: "", deviceFile: "" },
};
