import type { ResourceRequirements } from "../model/objects.js";
import type { ContainerResources } from "../runtime/container-config.js";

/**
 * Limits of a task's container. Swap is said apart from memory in a service, and together with it in a container; -1 is no limit of swap, and of swappiness the
 * host's.
 */
export function resourcesOfTask(requirements: ResourceRequirements | null | undefined): ContainerResources {
  const { limits = null, swapBytes, memorySwappiness } = requirements ?? {};
  const memoryBytes = Number(limits?.memoryBytes ?? 0n);
  const isSwapSaid = swapBytes !== undefined && memoryBytes > 0;
  return {
    nanoCpus: Number(limits?.nanoCpus ?? 0n),
    memoryBytes,
    pids: Number(limits?.pids ?? 0n),
    ...(isSwapSaid ? { memorySwapBytes: swapBytes < 0n ? -1 : memoryBytes + Number(swapBytes) } : {}),
    ...(memorySwappiness === undefined || memorySwappiness < 0n ? {} : { memorySwappiness: Number(memorySwappiness) }),
  };
}
