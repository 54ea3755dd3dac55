import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadLiveEndpoints } from "../../../src/agent/live-endpoints.js";
import { silentLogger } from "../../../src/base/log.js";
import type { PortConfig } from "../../../src/model/objects.js";
import { eventually } from "../../support/eventually.js";
import { assignedTask, taskSpec } from "../../support/tasks.js";
import { Harness } from "./harness.js";

let node: Harness;

const SECOND_NS = 1_000_000_000n;
const healthcheck = { test: ["CMD", "check"], intervalNs: SECOND_NS, timeoutNs: SECOND_NS, retries: 2, startPeriodNs: 0n, startIntervalNs: 0n };

beforeEach(async () => {
  node = new Harness();
  node.start();
  await eventually("a session", () => node.manager.assignmentStreams === 1);
});

afterEach(() => node.dispose());

const reaches = (state: string) => eventually(`t1 ${state}`, () => node.stateOf("t1") === state);
const isStarted = () => eventually("the container runs", () => node.runtime.inspect("web.1.t1")?.state === "running");

async function start(): Promise<void> {
  node.manager.assign(assignedTask("t1", { spec: taskSpec({ healthcheck }) }));
  await isStarted();
  await reaches("starting");
}

test("a task runs once its container was found healthy", async () => {
  await start();
  await node.clock.advance(999);
  expect(node.stateOf("t1")).toBe("starting");
  await node.clock.advance(1);
  await reaches("running");
});

test.each([
  [143, "task: non-zero exit (143): unhealthy container"],
  [0, "unhealthy container"],
])("one that never becomes healthy is ended and has failed (its program ends with %i)", async (exitCode, error) => {
  node.runtime.exitCodeOfExec = () => 1;
  node.runtime.exitCodeOnStop = exitCode;
  await start();
  await node.clock.advance(2000);
  await reaches("failed");
  expect(node.manager.statuses.get("t1")).toMatchObject({ message: "starting", error, container: { exitCode } });
});

test("a running one that turns unhealthy is ended with its grace period, and has failed", async () => {
  node.runtime.exitCodeOnStop = 143;
  await start();
  await node.clock.advance(1000);
  await reaches("running");
  node.runtime.exitCodeOfExec = () => 1;
  await node.clock.advance(2000);
  await reaches("failed");
  expect(node.runtime.calls).toContain("stop web.1.t1 10000");
  expect(node.manager.statuses.get("t1")).toMatchObject({ message: "started", error: "task: non-zero exit (143): unhealthy container" });
});

test("one whose program ends before it is healthy has ended", async () => {
  await start();
  node.runtime.exit(node.containerIdOf("t1"), 3);
  await reaches("failed");
  expect(node.manager.statuses.get("t1")?.error).toBe("task: non-zero exit (3)");
});

test("one that is to end while it becomes healthy is shut down", async () => {
  const task = assignedTask("t1", { spec: taskSpec({ healthcheck }) });
  await start();
  node.manager.assign({ ...task, desiredState: "shutdown" });
  await reaches("shutdown");
});

test("tasks that become healthy slowly do not hold up the starts of others", async () => {
  for (let count = 0; count < 20; count++) node.manager.assign(assignedTask(`slow${count}`, { spec: taskSpec({ healthcheck }) }));
  node.manager.assign(assignedTask("t1"));
  await reaches("running");
});

test("a restart of the daemon goes on waiting, and neither starts it again nor calls it running early", async () => {
  await start();
  await node.stop();
  node.manager.statuses.clear();
  node.start();
  await reaches("starting");
  await node.clock.advance(1000);
  await reaches("running");
  expect(node.runtime.calls.filter((call) => !call.startsWith("exec"))).toEqual(["create web.1.t1", "start web.1.t1"]);
});

test.each([
  ["as it was told", () => undefined],
  ["with its record lost", (folder: string) => rmSync(join(folder, "t1.task"))],
])("a restart of the daemon before it is healthy leaves its ports published, %s", async (_, meanwhile) => {
  const port: PortConfig = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" };
  node.manager.assign(
    assignedTask("t1", { spec: taskSpec({ healthcheck }), endpoint: { spec: { mode: "vip", ports: [port] }, ports: [port], virtualIps: [] } }),
  );
  await isStarted();
  await reaches("starting");
  await node.stop();
  const folder = join(node.folder, "tasks");
  meanwhile(folder);
  node.manager.statuses.clear();
  await node.network.start(await loadLiveEndpoints({ folder, runtime: node.runtime, logger: silentLogger }));
  node.start();
  await reaches("starting");
  await node.clock.advance(1000);
  await reaches("running");
  expect(node.network.publishedPorts(node.containerIdOf("t1"))).toEqual([port]);
  expect(node.manager.statuses.get("t1")?.ports).toEqual([port]);
});

test("one that turned unhealthy and ended while the daemon was away has failed", async () => {
  await start();
  await node.clock.advance(1000);
  await reaches("running");
  await node.stop();
  node.runtime.exitCodeOfExec = () => 1;
  await node.clock.advance(2000);
  node.runtime.exit(node.containerIdOf("t1"), 0);
  node.manager.statuses.clear();
  node.start();
  await reaches("failed");
  expect(node.manager.statuses.get("t1")?.error).toBe("unhealthy container");
});
