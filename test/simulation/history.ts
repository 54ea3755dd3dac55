/** One operation on one register, as its client saw it. Times are of one clock that never stands still: all are different. */
export interface Operation {
  readonly kind: "write" | "read";
  /** Written values are different from each other and not 0, which is what a register holds at first. */
  readonly value: number;
  readonly start: number;
  /** Infinity for a write of unknown outcome. A read without an answer is no operation. */
  readonly finish: number;
}

interface Cluster {
  write: Operation | undefined;
  readonly reads: Operation[];
}

/** From the first end to the last begin, in this order or the other, of the operations on one value. */
interface Zone {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const INITIAL: Operation = { kind: "write", value: 0, start: -1, finish: -1 };

/**
 * Why no order of these operations explains what the clients saw, or null when one does: linearizability, decided from outside alone.
 * Exact and without search, since each value is written once (Gibbons and Korach, "Testing shared memories", 1997): a value that was
 * written and seen at times that do not overlap occupies the time in between, and no other value may need a part of that.
 */
export function linearizabilityFault(operations: readonly Operation[]): string | null {
  const clusters = clustersOf(operations);
  for (const [value, { write, reads }] of clusters) {
    if (reads.length === 0) continue;
    if (write === undefined) return `${value} was read, but never written, or its write was refused`;
    if (reads.some((read) => read.finish < write.start)) return `${value} was read before it was written`;
  }
  return zonesFault([...clusters].flatMap(([value, cluster]) => zoneOf(value, cluster)));
}

function clustersOf(operations: readonly Operation[]): ReadonlyMap<number, Cluster> {
  const clusters = new Map<number, Cluster>();
  for (const operation of [INITIAL, ...operations]) {
    const cluster = clusters.get(operation.value) ?? { write: undefined, reads: [] };
    clusters.set(operation.value, cluster);
    if (operation.kind === "write") cluster.write = operation;
    else cluster.reads.push(operation);
  }
  return clusters;
}

/** Forward when one operation on the value ended before another began; otherwise all of them overlap. */
function zoneOf(value: number, { write, reads }: Cluster): readonly { readonly zone: Zone; readonly isForward: boolean }[] {
  // Nobody saw it: it may have happened after everything else, or never.
  if (write === undefined || (reads.length === 0 && (write.finish === Number.POSITIVE_INFINITY || value === 0))) return [];
  const operations = [write, ...reads];
  const firstFinish = Math.min(...operations.map(({ finish }) => finish));
  const lastStart = Math.max(...operations.map(({ start }) => start));
  const isForward = firstFinish < lastStart;
  return [{ zone: { value, low: Math.min(firstFinish, lastStart), high: Math.max(firstFinish, lastStart) }, isForward }];
}

function zonesFault(zones: readonly { readonly zone: Zone; readonly isForward: boolean }[]): string | null {
  const ordered = zones.toSorted((a, b) => a.zone.low - b.zone.low);
  let forward: Zone | null = null;
  for (const { zone, isForward } of ordered) {
    if (forward !== null && isForward && zone.low < forward.high) {
      return `${forward.value} was seen from ${forward.low} to ${forward.high}, and ${zone.value} from ${zone.low} to ${zone.high}`;
    }
    if (forward !== null && !isForward && zone.high < forward.high) {
      return `${zone.value} was there and gone between ${zone.low} and ${zone.high}, while ${forward.value} was seen from ${forward.low} to ${forward.high}`;
    }
    if (isForward) forward = zone;
  }
  return null;
}
