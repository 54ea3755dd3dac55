/**
 * A daemon's container parts, that sweep what an earlier one left, look whether anything is left over, remove everything, and then lead one container from its
 * making to its end: `crashing-daemon FOLDER OWNER CGROUP SUBNET single|task KNOWN N`. They are killed at the first change of the sweep that is not among the lines of
 * the file KNOWN, when that is there, and at the n-th of the container's life. Prints a JSON line when it has looked, and one at the end if it came so far.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "../../src/agent/worker.js";
import { loadLiveEndpoints } from "../../src/agent/live-endpoints.js";
import { systemClock } from "../../src/base/clock.js";
import { newContainerId } from "../../src/base/ids.js";
import { isTerminal } from "../../src/model/task-state.js";
import { silentLogger } from "../../src/base/log.js";
import { systemRandom } from "../../src/base/random.js";
import { Engine } from "../../src/engine/engine.js";
import { HealthFolder } from "../../src/engine/health/health-records.js";
import { openKernel } from "../../src/kernel/native-kernel.js";
import { LocalHostNetwork } from "../../src/network/local-host-network.js";
import { LocalRuntime } from "../../src/runtime/local-runtime.js";
import { LocalVolumeStore } from "../../src/volumes/local-volume-store.js";
import { containerConfig } from "./container-config.js";
import { SHIM_PATH } from "./container-world.js";
import { CrashSteps } from "./crash-steps.js";
import { FakeImageTransfer } from "./fake-image-transfer.js";
import { FolderImages } from "./folder-images.js";
import { differences, type Owner } from "./owned-objects.js";
import { assignedTask, taskSpec } from "./tasks.js";
import { until } from "./until.js";

const [folder = "", ownerId = "", cgroupParent = "", subnet = "", kind = "", known = "", crashAt = ""] = process.argv.slice(2);
const steps = new CrashSteps(folder);
if (existsSync(known)) steps.armUnknown(new Set(readFileSync(known, "utf8").split("\n")), known);
else steps.armAt(0);
const [clock, logger, random] = [systemClock, silentLogger, systemRandom];
const images = new FolderImages();
images.add("bb:v1", [join(folder, "image")]);
const PORT = { name: "", protocol: "tcp", targetPort: 80, publishedPort: kind === "task" ? 8081 : 8080, publishMode: "host" } as const;
const SLEEP = ["sleep", "100000"];

mkdirSync(join(folder, "data"), { recursive: true });
const [dataRoot, execRoot, tasks] = [join(folder, "data"), join(folder, "run"), join(folder, "data/tasks")];
const volumes = await LocalVolumeStore.open({ folder: join(dataRoot, "volumes"), programPath: join(dirname(SHIM_PATH), "swarm-volume"), clock, logger });
const runtime = await LocalRuntime.open({
  hostGateway: "172.30.0.1",
  sendDatagram: (path, data) => openKernel().sendDatagram(path, data),
  killGroup: (path) => openKernel().killGroup(path),
  defaultLog: { driver: "json-file", options: {} },
  volumes,
  dataRoot,
  execRoot,
  ownerId,
  images,
  shimPath: SHIM_PATH,
  cgroupParent,
  logger,
  clock,
});
const kernel = openKernel();
steps.watch(kernel, ["createBridge", "addAddress", "setLinkUp", "deleteLink"]);
const network = new LocalHostNetwork({ ownerId, subnet, kernel, logger });
await network.start(await loadLiveEndpoints({ folder: tasks, runtime, logger }));
const engine = new Engine({ runtime, network, volumes, images, clock, logger, healthRecords: new HealthFolder(join(folder, "data/health")) });
await engine.health.resume();
const node = { id: "node1", hostname: "node-1", platform: { architecture: "x86_64", os: "linux" } };
const worker = new Worker({ node, folder: tasks, runtime, images, transfer: new FakeImageTransfer(), network, health: engine.health, clock, random, logger });
const stop = new AbortController();
await worker.start(stop.signal);
await engine.resume();

const owner: Owner = { folder, ownerId, cgroupParent, runtime, spawnerPid: () => runtime.spawnerPid, publishedPorts: (id) => network.publishedPorts(id) };
/** Waits for ends that are under way; what is then still left over, is. */
async function leftovers(): Promise<readonly string[]> {
  const isClean = () => differences(owner).length === 0;
  await until("nothing is left over", isClean, 30).catch(() => undefined);
  return differences(owner);
}
const print = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

await until("tasks that go on run", () => worker.tasks().every(({ status }) => status?.state === "running" || isTerminal(status?.state ?? "new")), 30);
const swept = steps.disarm();
const states = runtime.list().map(({ state }) => state);
const afterCrash = await leftovers();
worker.apply({ kind: "complete", changes: [], appliesTo: "", resultsIn: "" });
for (const { config } of runtime.list()) if (config.single !== null) await engine.remove(config.id, { force: true });
await until("tasks are gone", () => worker.tasks().length === 0 && runtime.list().length === 0, 30);
print({ swept, states, afterCrash, afterRemoval: await leftovers() });

steps.armAt(Number(crashAt));
await (kind === "task" ? playTask() : playSingle());
steps.disarm();
print({ afterRemoval: await leftovers() });
process.exit(0);

async function playSingle(): Promise<void> {
  const id = newContainerId();
  const single = {
    restart: { name: "no", retriesMax: 0 },
    isAutoRemoved: false,
    ports: [PORT],
    published: [],
    isStopped: false,
    request: { attachStdin: false, attachStdout: false, attachStderr: false, binds: [] },
    stopTimeoutMs: 0,
  } as const;
  await engine.create({ ...containerConfig(id, "single", { image: "bb:v1", command: SLEEP }), single }, "bridge");
  await engine.start(id);
  await engine.stop(id, 1);
  await engine.start(id);
  await engine.remove(id, { force: true });
}

async function playTask(): Promise<void> {
  const endpoint = { spec: { mode: "vip", ports: [PORT] }, ports: [PORT], virtualIps: [] } as const;
  const task = assignedTask("task1", { spec: taskSpec({ image: "bb:v1", args: SLEEP, stopGracePeriodNs: 1_000_000n }), endpoint });
  worker.apply({ kind: "incremental", changes: [{ type: "updateTask", updateTask: task }], appliesTo: "", resultsIn: "" });
  await until("it runs", () => worker.tasks()[0]?.status?.state === "running", 30);
  worker.apply({ kind: "incremental", changes: [{ type: "updateTask", updateTask: { ...task, desiredState: "shutdown" } }], appliesTo: "", resultsIn: "" });
  await until("it is shut down", () => worker.tasks()[0]?.status?.state === "shutdown", 30);
  worker.apply({ kind: "incremental", changes: [{ type: "removeTask", removeTask: task.id }], appliesTo: "", resultsIn: "" });
  await until("it is gone", () => worker.tasks().length === 0 && runtime.list().length === 0, 30);
}
