import type { ResourceRequirements } from "../objects.js";
import { invalid } from "./invalid.js";

const NANO_CPUS_MIN = 1_000_000n;
const MEMORY_BYTES_MIN = 4n * 1024n * 1024n;

/** Zero is "not given". Throws ClusterError `invalid_argument`. */
export function validateResources(resources: ResourceRequirements | null): void {
  if (resources === null) return;
  for (const amounts of [resources.limits, resources.reservations]) {
    if (amounts === null) continue;
    validateCpus(amounts.nanoCpus);
    validateMemory(amounts.memoryBytes);
  }
  if ((resources.limits?.pids ?? 0n) < 0n) throw invalid(`invalid pids limit ${resources.limits?.pids}: it cannot be negative`);
  if (resources.swapBytes !== undefined && resources.swapBytes !== 0n && !resources.limits?.memoryBytes) {
    throw invalid("memory swap limit needs a memory limit");
  }
  const swappiness = resources.memorySwappiness;
  if (swappiness !== undefined && (swappiness < -1n || swappiness > 100n)) throw invalid(`invalid memory swappiness ${swappiness}: valid range is -1 to 100`);
}

function validateCpus(nanoCpus: bigint): void {
  if (nanoCpus !== 0n && nanoCpus < NANO_CPUS_MIN) throw invalid(`invalid cpu value ${Number(nanoCpus) / 1e9}: Must be at least 0.001`);
}

function validateMemory(bytes: bigint): void {
  if (bytes !== 0n && bytes < MEMORY_BYTES_MIN) throw invalid(`invalid memory value ${bytes}: Must be at least 4MiB`);
}
