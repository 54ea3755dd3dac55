import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { CgroupLayout } from "./cgroup-layout.js";
import { ON_DEMAND_CONTROLLERS } from "./cgroup-plan.js";

/** The group of the shims themselves, beside those of the containers. */
export const SHIMS = "shims";

/** Docker's device list: any node may be made, these may be opened (null, zero, full, random, urandom, tty, console, ptmx, pseudo-terminals, tun). */
export const DEVICES_ALLOWED = [
  "c *:* m",
  "b *:* m",
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:0 rwm",
  "c 5:1 rwm",
  "c 5:2 rwm",
  "c 136:* rwm",
  "c 10:200 rwm",
];

const CONTROLLERS_WANTED = ["memory", "cpu", "cpuset", "pids", "io"];
const CPUSET_ATTEMPTS = 5;

type Mounts = Pick<CgroupLayout, "legacy" | "unified">;

/** Beside the owner's group, whose rules nobody below could widen: of containers with devices of their own. */
export function besideOf(group: string): string {
  return `${group}-devices`;
}

interface LegacyMount {
  readonly mountPoint: string;
  readonly controllers: readonly string[];
}

export function legacyMounts({ legacy }: Pick<CgroupLayout, "legacy">): readonly LegacyMount[] {
  const byMount = new Map<string, string[]>();
  for (const [controller, mountPoint] of legacy) byMount.set(mountPoint, [...(byMount.get(mountPoint) ?? []), controller]);
  return [...byMount].map(([mountPoint, controllers]) => ({ mountPoint, controllers }));
}

/** Hierarchies in which shims and every container have a group. */
export function everyoneMounts(layout: Pick<CgroupLayout, "legacy">): readonly LegacyMount[] {
  return legacyMounts(layout).filter(({ controllers }) => !controllers.every((controller) => ON_DEMAND_CONTROLLERS.includes(controller)));
}

/** Makes the owner's groups in every hierarchy, and returns the controllers that version 2 has for them. Throws `failed_precondition` for one that it does not give. */
export async function prepareOwnerGroups(layout: Mounts, group: string): Promise<readonly string[]> {
  for (const { mountPoint, controllers } of legacyMounts(layout)) {
    // Without processors and memory nodes nothing could enter.
    if (controllers.includes("cpuset")) for (const path of [group, besideOf(group)]) await prepareCpuset(mountPoint, path);
    const path = `${mountPoint}/${group}`;
    await mkdir(path, { recursive: true });
    await mkdir(`${mountPoint}/${besideOf(group)}`, { recursive: true });
    if (controllers.includes("devices")) await prepareDevices(path);
  }
  for (const { mountPoint, controllers } of everyoneMounts(layout)) {
    if (!controllers.includes("devices")) await mkdir(`${mountPoint}/${group}/${SHIMS}`, { recursive: true });
  }
  return layout.unified === null ? [] : prepareUnified(layout.unified, group);
}

async function prepareUnified(mountPoint: string, group: string): Promise<readonly string[]> {
  const controllers = (await readFile(`${mountPoint}/cgroup.controllers`, "utf8")).split(/\s/).filter((name) => CONTROLLERS_WANTED.includes(name));
  await mkdir(`${mountPoint}/${group}`, { recursive: true });
  await mkdir(`${mountPoint}/${besideOf(group)}`, { recursive: true });
  for (const path of ["", ...ancestorsOf(group), besideOf(group)]) {
    for (const controller of controllers) await enableController(join(mountPoint, path), controller);
  }
  await mkdir(`${mountPoint}/${group}/${SHIMS}`, { recursive: true });
  return controllers;
}

/**
 * A group of version 1 begins with no processors and no memory nodes, and takes no process then: each on the way gets its parent's, and the last one hands its own
 * on to those that are made in it.
 */
async function prepareCpuset(mountPoint: string, group: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      for (const path of ancestorsOf(group)) await inheritCpuset(`${mountPoint}/${path}`);
      return await writeFile(`${mountPoint}/${group}/cgroup.clone_children`, "1");
    } catch (cause) {
      // Another daemon that ends may remove the common parent in between.
      if (systemCodeOf(cause) !== "ENOENT" || attempt === CPUSET_ATTEMPTS) throw cause;
    }
  }
}

async function inheritCpuset(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if ((await readFile(`${path}/${file}`, "utf8")).trim() === "") await writeFile(`${path}/${file}`, await readFile(`${dirname(path)}/${file}`, "utf8"));
  }
}

/** `a`, `a/b` and `a/b/c` of `a/b/c`. */
export function ancestorsOf(group: string): readonly string[] {
  return group.split("/").map((_, index, names) => names.slice(0, index + 1).join("/"));
}

/** For the groups below. Without it a limit would be accepted and not kept. */
async function enableController(path: string, controller: string): Promise<void> {
  try {
    await writeFile(`${path}/cgroup.subtree_control`, `+${controller}`);
  } catch (cause) {
    throw new ClusterError("failed_precondition", `cgroup controller ${controller} cannot be enabled in ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Sets the rules once: later, living containers would be without devices for a moment. */
async function prepareDevices(path: string): Promise<void> {
  if (!(await readFile(`${path}/devices.list`, "utf8")).startsWith("a ")) return;
  await writeFile(`${path}/devices.deny`, "a");
  for (const rule of DEVICES_ALLOWED) await writeFile(`${path}/devices.allow`, rule);
}
