import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { type CgroupLayout, legacyMountPoints, parseCgroupMounts } from "./cgroup-layout.js";
import { type CgroupPlan, planCgroups } from "./cgroup-plan.js";
import type { ContainerResources } from "./container-runtime.js";

/** The group of the shims themselves, beside those of the containers. */
const SHIMS = "shims";

/** Docker's device list: any node may be made, these may be opened (null, zero, full, random, urandom, tty, console, ptmx, pseudo-terminals, tun). */
const DEVICES_ALLOWED = [
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

/** Group inside a container's, of the one program at a time that shall end with all it started. */
const INNER = "swarm-probe";

const CONTROLLERS_WANTED = ["memory", "cpu", "cpuset", "pids", "io"];
const REMOVE_ATTEMPTS = 200;
const REMOVE_PAUSE_MS = 5;

/**
 * This owner's groups in every hierarchy: `PARENT/OWNER/shims` and `PARENT/OWNER/CONTAINER`. They are outside of the daemon's own group, so that stopping the
 * daemon's service unit ends neither shims nor containers.
 */
export class CgroupTree {
  readonly #layout: CgroupLayout;
  readonly #group: string;
  readonly #clock: Clock;

  /** Where another runtime makes groups that we would not: the other hierarchies of version 1. */
  readonly #foreignMounts: readonly string[];

  private constructor(layout: CgroupLayout, group: string, clock: Clock, foreignMounts: readonly string[]) {
    this.#foreignMounts = foreignMounts;
    this.#layout = layout;
    this.#group = group;
    this.#clock = clock;
  }

  /** Makes the owner's groups. Throws `failed_precondition` when the machine has no usable hierarchy. */
  static async open(options: { readonly parent: string; readonly ownerId: string; readonly clock: Clock; readonly hasOtherRuntimes: boolean }) {
    const mountinfo = await readFile("/proc/self/mountinfo", "utf8");
    const mounts = parseCgroupMounts(mountinfo);
    const foreign = options.hasOtherRuntimes ? legacyMountPoints(mountinfo).filter((mountPoint) => ![...mounts.legacy.values()].includes(mountPoint)) : [];
    if (mounts.unified === null && mounts.legacy.size === 0) throw new ClusterError("failed_precondition", "no cgroup hierarchy is mounted on this machine");
    const unifiedControllers =
      mounts.unified === null
        ? []
        : (await readFile(`${mounts.unified}/cgroup.controllers`, "utf8")).split(/\s/).filter((name) => CONTROLLERS_WANTED.includes(name));
    const memory = mounts.legacy.get("memory");
    const layout = { ...mounts, unifiedControllers, hasSwapLimit: false };
    const tree = new CgroupTree(layout, `${options.parent}/${options.ownerId}`, options.clock, foreign);
    await tree.#prepare();
    const swapFile = memory !== undefined ? `${memory}/memory.memsw.limit_in_bytes` : `${mounts.unified}/${tree.#group}/${SHIMS}/memory.swap.max`;
    return new CgroupTree({ ...layout, hasSwapLimit: existsSync(swapFile) }, tree.#group, options.clock, foreign);
  }

  /** What the spawner is started with: the group to filter devices in, where version 2 has to do it, and the files by which it joins the group of the shims. */
  get spawnerArguments(): readonly string[] {
    const legacy = this.#legacyMounts().map(({ mountPoint, controllers }) =>
      // Containers stay in the owner's own devices group: its rules hold for all of them, and nobody needs a group more.
      controllers.includes("devices") ? `${mountPoint}/${this.#group}/tasks` : `${mountPoint}/${this.#group}/${SHIMS}/tasks`,
    );
    if (this.#layout.unified === null) return legacy;
    const owner = `${this.#layout.unified}/${this.#group}`;
    const filter = this.#layout.legacy.has("devices") ? [] : ["--device-filter", owner, DEVICES_ALLOWED.join(",")];
    return [...filter, ...legacy, `${owner}/${SHIMS}/cgroup.procs`];
  }

  /**
   * `devices` are rules beside the usual ones, or all; null has the usual ones. Under another runtime, which makes one group of the same path in every hierarchy and
   * sets the rules itself, all are beside the owner's when there are such.
   */
  plan(name: string, resources: ContainerResources, devices: readonly string[] | "all" | null, isOtherRuntime: boolean): CgroupPlan {
    const plan = planCgroups(this.#layout, `${this.#group}/${name}`, resources);
    if (devices === null) return plan;
    const mountPoint = this.#layout.legacy.get("devices");
    if (isOtherRuntime || mountPoint === undefined) {
      const beside = planCgroups(this.#layout, `${this.#deviceGroup}/${name}`, resources);
      return isOtherRuntime || devices === "all" ? beside : filtered(beside, [...DEVICES_ALLOWED, ...devices]);
    }
    const rules = devices === "all" ? ["a"] : [...DEVICES_ALLOWED, ...devices];
    const limits: readonly (readonly [string, string])[] = [["devices.deny", "a"], ...rules.map((rule) => ["devices.allow", rule] as const)];
    return { ...plan, groups: [...plan.groups, { path: `${mountPoint}/${this.#deviceGroup}/${name}`, isUnified: false, limits }] };
  }

  /** Names of the containers' groups that exist. */
  async names(): Promise<ReadonlySet<string>> {
    const parents = this.#mountPoints().flatMap((mountPoint) => [`${mountPoint}/${this.#group}`, `${mountPoint}/${this.#deviceGroup}`]);
    const found = await Promise.all(parents.map(foldersOf));
    return new Set(found.flat().filter((name) => name !== SHIMS));
  }

  /** Kills what is inside a container's groups and removes them; does nothing when there are none. */
  async remove(name: string): Promise<void> {
    const paths = this.#mountPoints().flatMap((mountPoint) => [`${mountPoint}/${this.#group}/${name}`, `${mountPoint}/${this.#deviceGroup}/${name}`]);
    await Promise.all(paths.map((path) => this.#removeGroup(path)));
  }

  /**
   * Makes a group inside a container's, in the hierarchy that has them all: what runs in it is still under the container's limits, and can be ended as a whole. Ends and
   * removes what an earlier program left in it. Throws `internal` when that cannot be.
   */
  async makeInner(plan: CgroupPlan): Promise<{ readonly plan: CgroupPlan; remove(): Promise<void> }> {
    const outer = plan.groups.find((group) => group.isUnified)?.path ?? (plan.freezer === null ? plan.groups[0]?.path : dirname(plan.freezer.file));
    if (outer === undefined) throw new ClusterError("failed_precondition", "this machine has no cgroup hierarchy to count a container's processes in");
    const inner = `${outer}/${INNER}`;
    await this.#removeGroup(inner);
    try {
      await mkdir(inner);
    } catch (cause) {
      if (systemCodeOf(cause) === "ENOENT") throw new ClusterError("conflict", "the container has ended", { cause });
      throw cause;
    }
    const groups = plan.groups.map((group) => (group.path === outer ? { ...group, path: inner } : group));
    return { plan: { ...plan, groups }, remove: () => this.#removeGroup(inner) };
  }

  /** Removes the owner's groups when no container and no shim is in them; leaves them otherwise. */
  async close(): Promise<void> {
    for (const mountPoint of this.#mountPoints()) {
      await removeDirectory(`${mountPoint}/${this.#deviceGroup}`);
      for (const group of ancestorsOf(`${this.#group}/${SHIMS}`).toReversed()) {
        if (!(await removeDirectory(`${mountPoint}/${group}`))) break;
      }
    }
  }

  async #prepare(): Promise<void> {
    for (const { mountPoint, controllers } of this.#legacyMounts()) {
      const path = `${mountPoint}/${this.#group}`;
      await mkdir(`${mountPoint}/${this.#deviceGroup}`, { recursive: true });
      if (controllers.includes("devices")) await prepareDevices(path);
      else await mkdir(`${path}/${SHIMS}`, { recursive: true });
    }
    const { unified, unifiedControllers } = this.#layout;
    if (unified === null) return;
    await mkdir(`${unified}/${this.#group}`, { recursive: true });
    await mkdir(`${unified}/${this.#deviceGroup}`, { recursive: true });
    for (const group of ["", ...ancestorsOf(this.#group), this.#deviceGroup]) {
      for (const controller of unifiedControllers) await enableController(join(unified, group), controller);
    }
    await mkdir(`${unified}/${this.#group}/${SHIMS}`, { recursive: true });
  }

  async #removeGroup(path: string): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      if (await removeDirectory(path)) return;
      for (const inner of await foldersOf(path)) await this.#removeGroup(`${path}/${inner}`);
      await killMembers(path);
      await this.#clock.sleep(REMOVE_PAUSE_MS);
    }
    throw new ClusterError("internal", `cgroup ${path} is still in use after its processes were killed`);
  }

  /** Beside the owner's group, whose rules nobody below could widen: of containers with devices of their own. */
  get #deviceGroup(): string {
    return `${this.#group}-devices`;
  }

  #legacyMounts(): readonly { readonly mountPoint: string; readonly controllers: readonly string[] }[] {
    const byMount = new Map<string, string[]>();
    for (const [controller, mountPoint] of this.#layout.legacy) byMount.set(mountPoint, [...(byMount.get(mountPoint) ?? []), controller]);
    return [...byMount].map(([mountPoint, controllers]) => ({ mountPoint, controllers }));
  }

  #mountPoints(): readonly string[] {
    const legacy = this.#legacyMounts().map((mount) => mount.mountPoint);
    const all = [...legacy, ...this.#foreignMounts];
    return this.#layout.unified === null ? all : [...all, this.#layout.unified];
  }
}

/** On version 2, where the whole container lives beside the owner's group, whose filter holds for all below. */
function filtered(plan: CgroupPlan, deviceRules: readonly string[]): CgroupPlan {
  return { ...plan, groups: plan.groups.map((group) => (group.isUnified ? { ...group, deviceRules } : group)) };
}

/** `a`, `a/b` and `a/b/c` of `a/b/c`. */
function ancestorsOf(group: string): readonly string[] {
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
  await mkdir(path, { recursive: true });
  if (!(await readFile(`${path}/devices.list`, "utf8")).startsWith("a ")) return;
  await writeFile(`${path}/devices.deny`, "a");
  for (const rule of DEVICES_ALLOWED) await writeFile(`${path}/devices.allow`, rule);
}

/** True when it is gone; false when something is still inside. */
async function removeDirectory(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT") return true;
    if (code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw new ClusterError("internal", `cgroup ${path} cannot be removed: ${messageOf(cause)}`, { cause });
  }
}

async function killMembers(path: string): Promise<void> {
  for (const process of await membersOf(path)) {
    try {
      globalThis.process.kill(process, "SIGKILL");
    } catch (cause) {
      if (systemCodeOf(cause) !== "ESRCH") throw cause;
    }
  }
}

async function membersOf(path: string): Promise<readonly number[]> {
  try {
    return (await readFile(`${path}/cgroup.procs`, "utf8"))
      .split("\n")
      .map(Number)
      .filter((process) => process > 0);
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ENODEV") return [];
    throw cause;
  }
}

async function foldersOf(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}
