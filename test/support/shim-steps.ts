/**
 * Kills shims, and what is to become a program, at each of their steps: `shim-steps FOLDER CGROUP [MAP]`, of containers in a user namespace with that map if there is one, in a network namespace of its own. `strace` ends whichever process below the
 * spawner comes to a certain call for the n-th time, before it is carried out. Prints a JSON line for each, the last of every call with nothing killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../src/base/clock.js";
import { messageOf } from "../../src/base/errors.js";
import { newContainerId } from "../../src/base/ids.js";
import { silentLogger } from "../../src/base/log.js";
import { openKernel } from "../../src/kernel/native-kernel.js";
import { LocalHostNetwork } from "../../src/network/local-host-network.js";
import { LocalRuntime } from "../../src/runtime/local-runtime.js";
import { LocalVolumeStore } from "../../src/volumes/local-volume-store.js";
import { containerConfig } from "./container-config.js";
import { SHIM_PATH } from "./container-world.js";
import { FolderImages } from "./folder-images.js";
import { differences } from "./owned-objects.js";
import { until } from "./until.js";

const [folder = "", cgroupParent = "", map = ""] = process.argv.slice(2);
/** By what shims and their children change the kernel's objects. */
const CHANGES = [
  ...[
    "unlink",
    "mkdir",
    "clone3",
    "sendmsg",
    "sendto",
    "unshare",
    "mount",
    "open_tree",
    "move_mount",
    "mknodat",
    "mkdirat",
    "symlinkat",
    "pivot_root",
    "umount2",
  ],
  ...["execve", "pwrite64", "fdatasync", "rename", "rmdir"],
];
/** What a user namespace adds. */
const CHANGES_REMAPPED = ["clone", "clone3", "unshare", "mount_setattr", "setresuid", "execve"];
const STEPS_MAX = 50;
const trace = join(folder, "trace");
const [clock, logger, ownerId] = [systemClock, silentLogger, "shimstep"];
const images = new FolderImages();
images.add("bb:v1", [join(folder, "image")]);
const volumes = await LocalVolumeStore.open({ folder: join(folder, "data/volumes"), programPath: join(dirname(SHIM_PATH), "swarm-volume"), clock, logger });
const runtime = await LocalRuntime.open({
  hostGateway: "172.30.0.1",
  sendDatagram: (path, data) => openKernel().sendDatagram(path, data),
  killGroup: (path) => openKernel().killGroup(path),
  defaultLog: { driver: "json-file", options: {} },
  volumes,
  dataRoot: join(folder, "data"),
  execRoot: join(folder, "run"),
  ownerId,
  images,
  shimPath: SHIM_PATH,
  cgroupParent,
  userRemap: map === "" ? null : { user: "somebody", maps: { users: map, groups: map }, root: { uid: 0, gid: 0 } },
  logger,
  clock,
});
const network = new LocalHostNetwork({ ownerId, subnet: "172.29.0.0/16", kernel: openKernel(), logger });
await network.start([]);
const owner = { folder, ownerId, cgroupParent, runtime, spawnerPid: () => runtime.spawnerPid, publishedPorts: (id: string) => network.publishedPorts(id) };

async function life(): Promise<string> {
  const id = newContainerId();
  const { network: eth0 } = await network.attach(id, []);
  await runtime.create(containerConfig(id, `step-${id.slice(0, 12)}`, { image: "bb:v1", command: ["true"], network: eth0 }));
  const outcome = await runtime
    .start(id)
    .then(() => runtime.wait(id))
    .then(({ exitCode }) => `exited ${exitCode}`, messageOf);
  await runtime.remove(id, { force: true });
  await network.detach(id);
  return outcome;
}

/** Resolves when it traces the spawner. */
async function traced(call: string, step: number): Promise<ChildProcess> {
  const words = ["-f", "-p", `${runtime.spawnerPid}`, "-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${step}`, "-o", trace];
  const tracer = spawn("strace", words, { stdio: ["ignore", "ignore", "pipe"] });
  if (!String(await once(tracer.stderr, "data")).includes("attached")) throw new Error("strace could not attach to the spawner");
  return tracer;
}

/** One life that is cut short at a call; false when it had fewer of them. */
async function play(call: string, step: number): Promise<boolean> {
  // A spawner that was killed is started again with the next container.
  const before = await life();
  const tracer = await traced(call, step);
  // With the last process that it traces, if not by us.
  const tracerEnded = once(tracer, "exit");
  const outcome = await life();
  tracer.kill("SIGINT");
  await tracerEnded;
  await until("nothing is left over", () => differences(owner).length === 0, 30).catch(() => undefined);
  process.stdout.write(`${JSON.stringify({ call, step, before, outcome, left: differences(owner) })}\n`);
  // On a busy machine the tracer may be let go before it has told whose end it brought.
  return outcome !== "exited 0" || readFileSync(trace, "utf8").includes("killed by SIGKILL");
}

for (const call of map === "" ? CHANGES : CHANGES_REMAPPED) {
  let step = 1;
  while (step < STEPS_MAX && (await play(call, step))) step++;
}
process.exit(0);
