import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadLiveEndpoints } from "../../../src/agent/live-endpoints.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { eventually } from "../../support/eventually.js";
import { assignedTask } from "../../support/tasks.js";
import { Harness } from "./harness.js";

let node: Harness;

beforeEach(async () => {
  node = new Harness();
  node.start();
  await eventually("a session", () => node.manager.assignmentStreams === 1);
  node.manager.assign(assignedTask("t1"));
  await eventually("t1 runs", () => node.stateOf("t1") === "running");
});

afterEach(() => node.dispose());

const restart = async () => {
  await node.stop();
  node.manager.statuses.clear();
  node.start();
};

test("a container that runs goes on: neither lost nor started again", async () => {
  await restart();
  await eventually("reported again", () => node.stateOf("t1") === "running");
  expect(node.runtime.calls).toEqual(["create web.1.t1", "start web.1.t1"]);
  node.runtime.exit(node.containerIdOf("t1"), 5);
  await eventually("its end is seen", () => node.stateOf("t1") === "failed");
});

test("it goes on without any manager", async () => {
  await node.stop();
  node.manager.refusal = new ClusterError("unavailable", "connection refused");
  node.start();
  await eventually("the task is taken up", () => node.worker.tasks()[0]?.status?.state === "running");
  expect(node.runtime.inspect("web.1.t1")?.state).toBe("running");
});

test("an end while the daemon was away is reported", async () => {
  const containerId = node.containerIdOf("t1");
  await node.stop();
  node.runtime.exit(containerId, 7);
  node.manager.statuses.clear();
  node.start();
  await eventually("its end is seen", () => node.stateOf("t1") === "failed");
  expect(node.manager.statuses.get("t1")?.error).toBe("task: non-zero exit (7)");
});

test("a container that vanished while the daemon was away fails its task", async () => {
  const containerId = node.containerIdOf("t1");
  await node.stop();
  await node.runtime.remove(containerId, { force: true });
  node.manager.statuses.clear();
  node.start();
  await eventually("its end is seen", () => node.stateOf("t1") === "failed");
  expect(node.manager.statuses.get("t1")?.error).toBe("the container is gone");
});

test("a task that has ended stays ended", async () => {
  node.runtime.exit(node.containerIdOf("t1"), 0);
  await eventually("complete", () => node.stateOf("t1") === "complete");
  await restart();
  await eventually("reported again", () => node.stateOf("t1") === "complete");
  expect(node.runtime.calls).toEqual(["create web.1.t1", "start web.1.t1"]);
});

test("a container whose record was lost is adopted, not started twice", async () => {
  await node.stop();
  for (const name of readdirSync(join(node.folder, "tasks"))) writeFileSync(join(node.folder, "tasks", name), "not a task");
  node.manager.statuses.clear();
  node.start();
  await eventually("running again", () => node.stateOf("t1") === "running");
  expect(node.runtime.calls).toEqual(["create web.1.t1", "start web.1.t1"]);
});

test("a record that is empty, or another task's, is no task; one that cannot be read stays", async () => {
  await node.stop();
  const folder = join(node.folder, "tasks");
  const [name] = readdirSync(folder);
  copyFileSync(join(folder, name!), join(folder, "t2.task"));
  writeFileSync(join(folder, name!), "");
  mkdirSync(join(folder, "t3.task"));
  node.manager.statuses.clear();
  node.start();
  await eventually("running again", () => node.stateOf("t1") === "running");
  expect(node.worker.tasks().map(({ id }) => id)).toEqual(["t1"]);
  expect(node.runtime.calls).toEqual(["create web.1.t1", "start web.1.t1"]);
  await node.stop();
  expect(readdirSync(folder).sort()).toEqual(["t1.task", "t3.task"]);
});

test("containers of tasks that the manager no longer assigns are removed", async () => {
  await node.stop();
  for (const name of readdirSync(join(node.folder, "tasks"))) writeFileSync(join(node.folder, "tasks", name), "not a task");
  node.manager.tasks = [];
  node.start();
  await eventually("nothing is left", () => node.runtime.list().length === 0);
});

test("nothing is said about tasks that the manager no longer has here", async () => {
  await node.stop();
  node.manager.statuses.clear();
  node.manager.tasks = [];
  node.start();
  await eventually("nothing is left", () => node.runtime.list().length === 0 && node.worker.tasks().length === 0);
  node.manager.assign(assignedTask("t2"));
  await eventually("others are reported", () => node.stateOf("t2") === "running");
  expect([...node.manager.statuses.keys()]).toEqual(["t2"]);
});

test("live endpoints are those of containers that are not over", async () => {
  const live = await loadLiveEndpoints({ folder: join(node.folder, "tasks"), runtime: node.runtime, logger: silentLogger });
  expect(live).toEqual([{ containerId: node.containerIdOf("t1"), network: node.network.endpoints.get(node.containerIdOf("t1"))?.network, ports: [] }]);
  node.runtime.exit(node.containerIdOf("t1"), 0);
  expect(await loadLiveEndpoints({ folder: join(node.folder, "tasks"), runtime: node.runtime, logger: silentLogger })).toEqual([]);
});

test.each([
  ["while it runs", async () => undefined],
  ["after it stopped", () => node.stop()],
])("leaving the swarm removes every container and every record, %s", async (_, before) => {
  await before();
  await node.worker.removeAll();
  expect(node.runtime.list()).toEqual([]);
  expect(node.network.endpoints.size).toBe(0);
  expect(readdirSync(join(node.folder, "tasks"))).toEqual([]);
});

test("what a running task reported stays as it was, its ports and its start time too", async () => {
  const port = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 0, publishMode: "host" } as const;
  node.manager.assign(assignedTask("t2", { endpoint: { spec: { mode: "vip", ports: [port] }, ports: [port], virtualIps: [] } }));
  await eventually("t2 runs", () => node.stateOf("t2") === "running");
  const before = new Map(node.manager.statuses);
  await node.clock.advance(5_000);
  await restart();
  await eventually("reported again", () => node.manager.statuses.size === 2);
  expect(node.manager.statuses).toEqual(before);
});

test("a start that the end of the daemon interrupts is no failure: it is made up for, the container anew when it is gone", async () => {
  const [starting, mayFail] = [deferred<void>(), deferred<void>()];
  node.runtime.beforeStart = async () => {
    starting.resolve();
    await mayFail.promise;
    throw new ClusterError("unavailable", "the daemon ends");
  };
  node.manager.assign(assignedTask("t2"));
  await starting.promise;
  await eventually("the manager knows", () => node.stateOf("t2") === "starting");
  const stopped = node.stop();
  mayFail.resolve();
  await stopped;
  node.runtime.beforeStart = () => undefined;
  await node.runtime.remove(node.runtime.inspect("web.1.t2")?.config.id ?? "");
  node.start();
  await eventually("it runs", () => node.stateOf("t2") === "running");
  expect(node.manager.history.get("t2")).not.toContain("failed");
});

test("a container that is no task's is none of the agent's", async () => {
  await node.runtime.create({ ...node.runtime.inspect("web.1.t1")!.config, id: "single", name: "single", labels: {} });
  await restart();
  await eventually("reported again", () => node.stateOf("t1") === "running");
  await node.worker.removeAll();
  expect(node.runtime.list().map(({ config }) => config.name)).toEqual(["single"]);
});
