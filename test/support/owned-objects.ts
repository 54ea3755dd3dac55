import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerRuntime } from "../../src/runtime/container-runtime.js";

export interface Owner {
  /** Where data and sockets are. */
  readonly folder: string;
  readonly ownerId: string;
  readonly cgroupParent: string;
  readonly runtime: ContainerRuntime;
  readonly spawnerPid: () => number;
  readonly publishedPorts: (id: string) => readonly { readonly publishedPort: number }[];
}

/** Everything that a daemon has outside of its memory, by what it is for: names without order. */
type Inventory = Readonly<Record<string, readonly string[]>>;

const shortName = (id: string) => id.slice(0, 32);

/** What is there. */
function found({ folder, ownerId, cgroupParent, spawnerPid }: Owner): Inventory {
  const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" });
  const elements = ["host_ports", "address_ports"]
    .map((map) => execFileSync("nft", ["list", "map", "ip", `swarm_${ownerId}`, map], { encoding: "utf8" }))
    .join("");
  const hierarchies = ["", ...readdirSync("/sys/fs/cgroup")].map((name) => join("/sys/fs/cgroup", name, cgroupParent));
  const groups = hierarchies.flatMap((path) => [join(path, ownerId), join(path, `${ownerId}-devices`)]).filter(existsSync);
  const containers = groups.flatMap((path) => foldersOf(path).filter((name) => name !== "shims"));
  const shims = groups.map((path) => join(path, "shims/cgroup.procs")).filter(existsSync);
  return {
    folders: readdirSync(join(folder, "data/containers")),
    sockets: readdirSync(join(folder, "run/shims")).map((name) => name.replace(".sock", "")),
    cgroups: [...new Set(containers)],
    shims: [...new Set(shims.flatMap(linesOf))].filter((pid) => pid !== `${spawnerPid()}` && isShim(pid)).map(() => "shim"),
    links: [...links.matchAll(new RegExp(`: (v${ownerId}[^@:]*)`, "g"))].map(([, name]) => name ?? ""),
    ports: [...elements.matchAll(/(\d+) : [\d.]+ \. \d+/g)].map(([, port]) => port ?? ""),
    mounts: linesOf("/proc/self/mountinfo").filter((line) => line.includes(folder)),
  };
}

/** What the state needs. */
function needed({ runtime, publishedPorts }: Owner): Inventory {
  const all = runtime.list();
  const running = all.filter(({ state }) => state === "running");
  const names = running.map(({ config }) => shortName(config.id));
  return {
    folders: all.map(({ config }) => config.id),
    sockets: names,
    cgroups: names,
    shims: running.map(() => "shim"),
    links: running.flatMap(({ config: { network } }) => (network !== null && network !== "host" && "hostInterface" in network ? [network.hostInterface] : [])),
    ports: running.flatMap(({ config }) => publishedPorts(config.id).map(({ publishedPort }) => `${publishedPort}`)),
    mounts: [],
  };
}

/** What is there and not needed, or needed and not there; empty when all is as it should be. */
export function differences(owner: Owner): readonly string[] {
  const [have, want] = [found(owner), needed(owner)];
  return Object.keys(want).flatMap((kind) => {
    const [left, right] = [(have[kind] ?? []).toSorted().join(" "), (want[kind] ?? []).toSorted().join(" ")];
    return left === right ? [] : [`${kind}: there is [${left}], needed is [${right}]`];
  });
}

/** Where a hierarchy has no group for containers, they are in that of the shims too. */
function isShim(pid: string): boolean {
  const path = `/proc/${pid}/comm`;
  return existsSync(path) && linesOf(path)[0] === "swarm-shim";
}

function foldersOf(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, "utf8").split("\n").filter(Boolean);
}
