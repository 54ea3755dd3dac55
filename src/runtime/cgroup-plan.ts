import type { CgroupLayout } from "./cgroup-layout.js";
import type { ContainerResources } from "./container-config.js";
import { legacyLimits, unifiedLimits } from "./resource-limits.js";

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
const CONTAINER_CONTROLLERS = ["memory", "pids", "cpu", "cpuacct", "freezer"] as const;

/** Those of version 1 in which it has a group of its own when there is something to limit: each group costs time at start and end. */
export const ON_DEMAND_CONTROLLERS: readonly string[] = ["cpuset", "blkio"];

/**
 * The groups of one container and their limits. `group` is its path below each hierarchy: `swarm/OWNER/ID`. Swap is limited to the same amount as memory,
 * as Docker does it.
 */
export function planCgroups(layout: CgroupLayout, group: string, resources: ContainerResources): CgroupPlan {
  const groups = new Map<string, CgroupGroup["limits"]>();
  for (const controller of [...CONTAINER_CONTROLLERS, ...ON_DEMAND_CONTROLLERS]) {
    const mountPoint = layout.legacy.get(controller);
    const limits = legacyLimits(controller, resources, layout.abilities);
    if (mountPoint === undefined || (ON_DEMAND_CONTROLLERS.includes(controller) && limits.length === 0)) continue;
    const path = `${mountPoint}/${group}`;
    groups.set(path, [...(groups.get(path) ?? []), ...limits]);
  }
  const legacy = [...groups].map(([path, limits]) => ({ path, isUnified: false, limits }));
  const memory = layout.legacy.get("memory");
  const unified =
    layout.unified === null
      ? []
      : [
          {
            path: `${layout.unified}/${group}`,
            isUnified: true,
            limits: unifiedLimits((name) => layout.unifiedControllers.includes(name), resources, layout.abilities),
          },
        ];
  return {
    group,
    groups: [...legacy, ...unified],
    outOfMemoryFile: memory !== undefined ? `${memory}/${group}/memory.oom_control` : layout.unified !== null ? `${layout.unified}/${group}/memory.events` : "",
    freezer: freezerOf(layout, group),
    visible: visibleGroups(layout, group, groups),
  };
}

/** The same for who is in the host's cgroup namespace: on version 2 alone it sees all groups there are. On version 1 it sees its own, as under Docker. */
export function withGroupsOfHost(plan: CgroupPlan): CgroupPlan {
  const [only] = plan.visible;
  if (only?.name !== "") return plan;
  return { ...plan, visible: [{ name: "", path: only.path.slice(0, -`/${plan.group}`.length) }] };
}

function freezerOf(layout: CgroupLayout, group: string): Freezer | null {
  if (layout.unified !== null) return { file: `${layout.unified}/${group}/cgroup.freeze`, frozen: "1", thawed: "0" };
  const mountPoint = layout.legacy.get("freezer");
  return mountPoint === undefined ? null : { file: `${mountPoint}/${group}/freezer.state`, frozen: "FROZEN", thawed: "THAWED" };
}

function visibleGroups(layout: CgroupLayout, group: string, made: ReadonlyMap<string, unknown>): CgroupPlan["visible"] {
  if (layout.legacy.size === 0) return layout.unified === null ? [] : [{ name: "", path: `${layout.unified}/${group}` }];
  return [...CONTAINER_CONTROLLERS, ...ON_DEMAND_CONTROLLERS].flatMap((name) => {
    const path = `${layout.legacy.get(name)}/${group}`;
    return name === "freezer" || !made.has(path) ? [] : [{ name, path }];
  });
}
