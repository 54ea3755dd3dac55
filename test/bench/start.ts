import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openKernel } from "../../src/kernel/native-kernel.js";
import { newContainerId } from "../../src/base/ids.js";
import { ContainerWorld } from "../support/container-world.js";
import { makeBusyboxRoot } from "../support/folder-images.js";
import { median } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";

const STARTS = 200;
/** The machine idles before each: in a tight loop the kernel's grace periods, which a lone start waits for, are hidden. */
const IDLE_MS = 60;
const PARALLEL = 8;
const PARALLEL_STARTS = 240;

const NATIVE = resolve(import.meta.dirname, "../../native/build");

/**
 * From a bundle to a running container by the OCI command line, ours, crun's and runc's in turn: `create` and `start`, with limits of memory, processor and processes.
 * Then the daemon's own starts, 8 at a time, each with a network.
 */
export async function benchStart({ say }: BenchOptions): Promise<readonly Figure[]> {
  say(`starting ${STARTS} bundles each by swarm-oci, crun and runc`);
  const times = await startBundles();
  const [ours, crun, runc] = [median(times["swarm-oci"]), median(times.crun), median(times.runc)];
  say(`p99: swarm-oci ${highest(times["swarm-oci"])} ms, crun ${highest(times.crun)} ms, runc ${highest(times.runc)} ms`);
  say(`starting ${PARALLEL_STARTS} containers of the daemon's, ${PARALLEL} at a time`);
  const rate = await startInParallel();
  return [
    { name: `bundle to running, p50 of ${STARTS} after idle`, unit: "ms", ours, peer: crun, peerName: "crun", target: crun },
    { name: "the same beside runc", unit: "ms", ours, peer: runc, peerName: "runc", target: runc / 3 },
    { name: `containers of the daemon with a veth each, ${PARALLEL} at a time`, unit: "starts a second", ours: rate, target: 200, isMoreBetter: true },
  ];
}

type Times = Record<"swarm-oci" | "crun" | "runc", number[]>;

async function startBundles(): Promise<Times> {
  const folder = mkdtempSync(join(tmpdir(), "bench-start-"));
  const programs = { "swarm-oci": join(NATIVE, "swarm-oci"), crun: pathOf("crun"), runc: pathOf("runc") };
  const times: Times = { "swarm-oci": [], crun: [], runc: [] };
  try {
    chmodSync(folder, 0o755);
    makeBusyboxRoot(join(folder, "rootfs"));
    writeFileSync(join(folder, "config.json"), JSON.stringify(CONFIG));
    for (let round = 0; round < STARTS; round++) {
      for (const name of ["swarm-oci", "crun", "runc"] as const) {
        await new Promise((done) => setTimeout(done, IDLE_MS));
        times[name].push(startOne(folder, programs[name], `bench-${randomBytes(4).toString("hex")}`));
      }
    }
    return times;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds. crun knows no hierarchy of version 2 beside one of version 1, so it is hidden from all three. */
function startOne(folder: string, program: string, id: string): number {
  const words = [program, "--root", join(folder, "state")];
  const hidden = '[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs tmpfs /sys/fs/cgroup/unified; exec "$@"';
  const call = (...command: readonly string[]) => execFileSync("unshare", ["-m", "sh", "-c", hidden, "sh", ...command], { encoding: "utf8" });
  const micros = call(join(NATIVE, "stopwatch"), ...words, "create", "--bundle", folder, id, "--", ...words, "start", id);
  call(...words, "delete", "--force", id);
  return Number(micros) / 1000;
}

async function startInParallel(): Promise<number> {
  const kernel = openKernel();
  const bridge = `swb${randomBytes(4).toString("hex")}`;
  // Sockets are on a tmpfs, as /run is where systemd has mounted it.
  const execRoot = mkdtempSync("/dev/shm/bench-start-");
  const world = await ContainerWorld.open({ execRoot });
  try {
    await kernel.createBridge({ name: bridge, address: "10.254.0.1/16", mtu: 1500 });
    const ids: string[] = [];
    for (let index = 0; index < PARALLEL_STARTS; index++) {
      const network = {
        bridge,
        hostInterface: `swv${randomBytes(4).toString("hex")}`,
        macAddress: `02:42:0a:fe:${(index >> 8).toString(16).padStart(2, "0")}:${(index & 255).toString(16).padStart(2, "0")}`,
        address: `10.254.${1 + (index >> 8)}.${index & 255}/16`,
        gateway: "10.254.0.1",
        mtu: 1500,
      };
      ids.push(await world.create({ id: newContainerId(), command: ["sleep", "1000"], network }));
    }
    // The spawner is started, and the filter compiled, with the first.
    const first = ids.pop();
    if (first !== undefined) await world.runtime.start(first);
    const beginMs = performance.now();
    const queue = [...ids];
    const work = async () => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) await world.runtime.start(id);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return (ids.length / (performance.now() - beginMs)) * 1000;
  } finally {
    await world[Symbol.asyncDispose]();
    await kernel.deleteLink(bridge);
    rmSync(execRoot, { recursive: true });
  }
}

const NAMES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"];

/** What dockerd asks for, but for a filter of system calls. */
const CONFIG = {
  ociVersion: "1.0.2",
  process: {
    user: { uid: 0, gid: 0 },
    args: ["sleep", "1000"],
    env: ["PATH=/bin"],
    cwd: "/",
    capabilities: { bounding: NAMES, effective: NAMES, permitted: NAMES },
    noNewPrivileges: true,
  },
  root: { path: "rootfs" },
  hostname: "bench",
  mounts: [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  ],
  linux: {
    namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type })),
    cgroupsPath: `/bench-${randomBytes(4).toString("hex")}`,
    resources: { memory: { limit: 64 << 20 }, cpu: { quota: 50_000, period: 100_000 }, pids: { limit: 50 } },
    maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
};

function pathOf(program: string): string {
  return execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${program}`], { encoding: "utf8" }).trim();
}

function highest(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0).toFixed(1);
}
