import type { CgroupLayout } from "./cgroup-layout.js";
import type { ContainerResources } from "./container-runtime.js";

/** A directory to be made for a container. */
export interface CgroupGroup {
  readonly path: string;
  /** Version 2: the container's first process is born in it. */
  readonly isUnified: boolean;
  /** File and text, in the order in which the kernel accepts them. */
  readonly limits: readonly (readonly [file: string, text: string])[];
  /** Version 2: the only devices that may be opened in it, in the words of version 1 (`c 1:3 rwm`). */
  readonly deviceRules?: readonly string[];
}

export interface CgroupPlan {
  /** Path below each hierarchy. */
  readonly group: string;
  readonly groups: readonly CgroupGroup[];
  /** Has a line `oom_kill N`; empty when nothing counts. */
  readonly outOfMemoryFile: string;
  /** How all of its processes are frozen; null when the machine cannot. */
  readonly freezer: Freezer | null;
  /** Groups that the container sees: by the controller of version 1, or as the only one, with an empty name, of version 2. */
  readonly visible: readonly { readonly name: string; readonly path: string }[];
}

export interface Freezer {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
}

/** Controllers for which a container has a group of its own, where they are of version 1. */
export const CONTAINER_CONTROLLERS = ["memory", "pids", "cpu", "cpuacct", "freezer"] as const;

const CPU_PERIOD_US = 100_000;
/** The kernel's least quota. */
const CPU_QUOTA_US_MIN = 1000;

/**
 * The groups of one container and their limits. `group` is its path below each hierarchy: `swarm/OWNER/ID`. Swap is limited to the same amount as memory,
 * as Docker does it.
 */
export function planCgroups(layout: CgroupLayout, group: string, resources: ContainerResources): CgroupPlan {
  const groups = new Map<string, [string, string][]>();
  for (const controller of CONTAINER_CONTROLLERS) {
    const mountPoint = layout.legacy.get(controller);
    if (mountPoint === undefined) continue;
    const path = `${mountPoint}/${group}`;
    groups.set(path, [...(groups.get(path) ?? []), ...legacyLimits(controller, resources, layout.hasSwapLimit)]);
  }
  const legacy = [...groups].map(([path, limits]) => ({ path, isUnified: false, limits }));
  const memory = layout.legacy.get("memory");
  const unified = layout.unified === null ? [] : [{ path: `${layout.unified}/${group}`, isUnified: true, limits: unifiedLimits(layout, resources) }];
  return {
    group,
    groups: [...legacy, ...unified],
    outOfMemoryFile: memory !== undefined ? `${memory}/${group}/memory.oom_control` : layout.unified !== null ? `${layout.unified}/${group}/memory.events` : "",
    freezer: freezerOf(layout, group),
    visible: visibleGroups(layout, group),
  };
}

function freezerOf(layout: CgroupLayout, group: string): Freezer | null {
  if (layout.unified !== null) return { file: `${layout.unified}/${group}/cgroup.freeze`, frozen: "1", thawed: "0" };
  const mountPoint = layout.legacy.get("freezer");
  return mountPoint === undefined ? null : { file: `${mountPoint}/${group}/freezer.state`, frozen: "FROZEN", thawed: "THAWED" };
}

function visibleGroups(layout: CgroupLayout, group: string): CgroupPlan["visible"] {
  if (layout.legacy.size === 0) return layout.unified === null ? [] : [{ name: "", path: `${layout.unified}/${group}` }];
  return CONTAINER_CONTROLLERS.filter((name) => name !== "freezer").flatMap((name) => {
    const mountPoint = layout.legacy.get(name);
    return mountPoint === undefined ? [] : [{ name, path: `${mountPoint}/${group}` }];
  });
}

function legacyLimits(controller: (typeof CONTAINER_CONTROLLERS)[number], resources: ContainerResources, hasSwapLimit: boolean): [string, string][] {
  const { memoryBytes, nanoCpus, pids } = resources;
  if (controller === "memory" && memoryBytes > 0) {
    const memory: [string, string] = ["memory.limit_in_bytes", String(memoryBytes)];
    return hasSwapLimit ? [memory, ["memory.memsw.limit_in_bytes", String(memoryBytes * 2)]] : [memory];
  }
  if (controller === "pids" && pids > 0) return [["pids.max", String(pids)]];
  if (controller === "cpu" && nanoCpus > 0) {
    return [
      ["cpu.cfs_period_us", String(CPU_PERIOD_US)],
      ["cpu.cfs_quota_us", String(quotaUs(nanoCpus))],
    ];
  }
  return [];
}

function unifiedLimits(layout: CgroupLayout, resources: ContainerResources): [string, string][] {
  const { memoryBytes, nanoCpus, pids } = resources;
  const has = (controller: string) => layout.unifiedControllers.includes(controller);
  const limits: [string, string][] = [];
  if (has("memory") && memoryBytes > 0) {
    limits.push(["memory.max", String(memoryBytes)]);
    if (layout.hasSwapLimit) limits.push(["memory.swap.max", String(memoryBytes)]);
  }
  if (has("pids") && pids > 0) limits.push(["pids.max", String(pids)]);
  if (has("cpu") && nanoCpus > 0) limits.push(["cpu.max", `${quotaUs(nanoCpus)} ${CPU_PERIOD_US}`]);
  return limits;
}

function quotaUs(nanoCpus: number): number {
  return Math.max(Math.round((nanoCpus * CPU_PERIOD_US) / 1e9), CPU_QUOTA_US_MIN);
}
