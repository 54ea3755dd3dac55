import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../base/clock.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { foldersOf, moveMembers, removeFolder } from "./cgroup-folder.js";
import { type CgroupLayout, legacyMountPoints, parseCgroupMounts } from "./cgroup-layout.js";
import { type CgroupPlan, planCgroups } from "./cgroup-plan.js";
import type { ContainerResources } from "./container-config.js";
import { ancestorsOf, besideOf, DEVICES_ALLOWED, everyoneMounts, legacyMounts, prepareOwnerGroups, SHIMS } from "./owner-groups.js";
import { giveRealtime, type RealtimeTime } from "./realtime-budget.js";
import { readAbilities, type ResourceAbilities } from "./resource-abilities.js";

/** Group inside a container's, of the one program at a time that shall end with all it started. */
const INNER = "swarm-probe";

const REMOVE_ATTEMPTS = 200;
const REMOVE_PAUSE_MS = 5;

export interface CgroupTreeOptions {
  /** Path below each hierarchy of the group that holds the owners' groups. */
  readonly parent: string;
  readonly ownerId: string;
  readonly clock: Clock;
  readonly hasOtherRuntimes: boolean;
  /** For all containers together; null leaves them what they have. */
  readonly realtime: RealtimeTime | null;
  /** Kills all that are in a group (Kernel.killGroup). */
  readonly killGroup: (path: string) => Promise<void>;
}

/**
 * This owner's groups in every hierarchy: `PARENT/OWNER/shims` and `PARENT/OWNER/CONTAINER`. They are outside of the daemon's own group, so that stopping the
 * daemon's service unit ends neither shims nor containers.
 */
export class CgroupTree {
  readonly abilities: ResourceAbilities;
  readonly #layout: CgroupLayout;
  readonly #group: string;
  readonly #clock: Clock;
  readonly #killGroup: (path: string) => Promise<void>;

  /** Where another runtime makes groups that we would not: the other hierarchies of version 1. */
  readonly #foreignMounts: readonly string[];

  private constructor(layout: CgroupLayout, options: CgroupTreeOptions, group: string, foreignMounts: readonly string[], abilities: ResourceAbilities) {
    this.abilities = abilities;
    this.#killGroup = options.killGroup;
    this.#foreignMounts = foreignMounts;
    this.#layout = layout;
    this.#group = group;
    this.#clock = options.clock;
  }

  /** Makes the owner's groups. Throws `failed_precondition` when the machine has no usable hierarchy, or no such real-time limits. */
  static async open(options: CgroupTreeOptions): Promise<CgroupTree> {
    const mountinfo = await readFile("/proc/self/mountinfo", "utf8");
    const mounts = parseCgroupMounts(mountinfo);
    const foreign = options.hasOtherRuntimes ? legacyMountPoints(mountinfo).filter((mountPoint) => ![...mounts.legacy.values()].includes(mountPoint)) : [];
    if (mounts.unified === null && mounts.legacy.size === 0) throw new ClusterError("failed_precondition", "no cgroup hierarchy is mounted on this machine");
    const group = `${options.parent}/${options.ownerId}`;
    const unifiedControllers = await prepareOwnerGroups(mounts, group);
    if (options.realtime !== null) await giveRealtime(mounts, group, options.realtime);
    const abilities = readAbilities(mounts, group);
    return new CgroupTree({ ...mounts, unifiedControllers, abilities }, options, group, foreign, abilities);
  }

  /** What the spawner is started with: the group to filter devices in, where version 2 has to do it, and the files by which it joins the group of the shims. */
  get spawnerArguments(): readonly string[] {
    const legacy = everyoneMounts(this.#layout).map(({ mountPoint, controllers }) =>
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

  /** Makes those groups of the plan that a container which runs has not had until now. */
  async makeMissing({ groups }: CgroupPlan): Promise<void> {
    for (const { path } of groups) await mkdir(path, { recursive: true });
  }

  /** Moves all processes of a container which runs into those groups of the plan in which they are not yet. Throws `internal` when they fork faster than that. */
  async gather({ groups }: CgroupPlan): Promise<void> {
    const [counting, ...others] = groups;
    for (const group of others) if (!group.isUnified && counting !== undefined) await moveMembers(counting.path, group.path);
  }

  /** Removes the owner's groups when no container and no shim is in them, waiting a little for shims that are about to end; leaves them otherwise. */
  async close(): Promise<void> {
    let pauses = REMOVE_ATTEMPTS;
    for (const mountPoint of this.#mountPoints()) {
      await removeFolder(`${mountPoint}/${this.#deviceGroup}`);
      while (!(await removeFolder(`${mountPoint}/${this.#group}/${SHIMS}`)) && pauses-- > 0) await this.#clock.sleep(REMOVE_PAUSE_MS);
      for (const group of ancestorsOf(`${this.#group}/${SHIMS}`).toReversed()) {
        if (!(await removeFolder(`${mountPoint}/${group}`))) break;
      }
    }
  }

  async #removeGroup(path: string): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
      if (await removeFolder(path)) return;
      for (const inner of await foldersOf(path)) await this.#removeGroup(`${path}/${inner}`);
      await this.#killGroup(path);
      await this.#clock.sleep(REMOVE_PAUSE_MS);
    }
    throw new ClusterError("internal", `cgroup ${path} is still in use after its processes were killed`);
  }

  get #deviceGroup(): string {
    return besideOf(this.#group);
  }

  #mountPoints(): readonly string[] {
    const legacy = legacyMounts(this.#layout).map((mount) => mount.mountPoint);
    const all = [...legacy, ...this.#foreignMounts];
    return this.#layout.unified === null ? all : [...all, this.#layout.unified];
  }
}

/** On version 2, where the whole container lives beside the owner's group, whose filter holds for all below. */
function filtered(plan: CgroupPlan, deviceRules: readonly string[]): CgroupPlan {
  return { ...plan, groups: plan.groups.map((group) => (group.isUnified ? { ...group, deviceRules } : group)) };
}
