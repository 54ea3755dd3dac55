import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeRecord } from "../../../src/agent/task-record.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import type { PortConfig } from "../../../src/model/objects.js";
import { eventually } from "../../support/eventually.js";
import { until } from "../../support/until.js";
import { assignedTask, taskSpec } from "../../support/tasks.js";
import { Harness } from "./harness.js";

let node: Harness;

beforeEach(async () => {
  node = new Harness();
  node.start();
  await eventually("a session", () => node.manager.assignmentStreams === 1);
});

afterEach(() => node.dispose());

const reaches = (taskId: string, state: string) => eventually(`${taskId} ${state}`, () => node.stateOf(taskId) === state);

test("a task is carried to running, with its container", async () => {
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  const status = node.manager.statuses.get("t1");
  const container = node.runtime.inspect("web.1.t1");
  expect(status).toMatchObject({ message: "started", error: "", container: { containerId: container?.config.id, pid: container?.pid, exitCode: 0 } });
  expect(container?.config.labels).toEqual({
    "com.docker.swarm.task": "",
    "com.docker.swarm.task.id": "t1",
    "com.docker.swarm.task.name": "web.1.t1",
    "com.docker.swarm.node.id": "node1",
    "com.docker.swarm.service.id": "service1",
    "com.docker.swarm.service.name": "web",
  });
});

test("ready is a pause point: the container is made, and starts when running is desired", async () => {
  const task = assignedTask("t1", { desiredState: "ready" });
  node.manager.assign(task);
  await reaches("t1", "ready");
  expect(node.runtime.calls).toEqual(["create web.1.t1"]);
  node.manager.assign({ ...task, desiredState: "running" });
  await reaches("t1", "running");
});

test.each([
  [0, "complete", "finished", ""],
  [3, "failed", "started", "task: non-zero exit (3)"],
])("a program that ends with %i makes the task %s", async (exitCode, state, message, error) => {
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  node.runtime.exit(node.containerIdOf("t1"), exitCode);
  await reaches("t1", state);
  expect(node.manager.statuses.get("t1")).toMatchObject({ message, error, container: { exitCode } });
  expect(node.runtime.inspect("web.1.t1")?.state).toBe("exited");
  expect(node.network.endpoints.size).toBe(0);
});

test("an image that is not here rejects the task", async () => {
  node.manager.assign(assignedTask("t1", { spec: taskSpec({ image: "nowhere:1" }) }));
  await reaches("t1", "rejected");
  expect(node.manager.statuses.get("t1")).toMatchObject({ message: "preparing", error: "No such image: nowhere:1 (manifest for nowhere:1 not found)" });
  expect(node.network.endpoints.size).toBe(0);
});

test("tasks share the pull of an image that is not here, with the service's credentials, and say that they are preparing", async () => {
  const [started, finished] = [deferred<void>(), deferred<void>()];
  node.transfer.remote.set("far:1", async () => {
    started.resolve();
    await finished.promise;
    node.images.names.add("far:1");
    return node.images.list()[0]!;
  });
  for (const id of ["t1", "t2", "t3"]) node.manager.assign(assignedTask(id, { spec: taskSpec({ image: "far:1", registryAuth: "secret" }) }));
  await started.promise;
  for (const id of ["t1", "t2", "t3"]) await reaches(id, "preparing");
  // One whose image is here is not held up.
  node.manager.assign(assignedTask("t4"));
  await reaches("t4", "running");
  finished.resolve();
  for (const id of ["t1", "t2", "t3"]) await reaches(id, "running");
  expect(node.transfer.calls).toEqual([{ verb: "pull", reference: "far:1", credentials: "secret" }]);
});

test("a task that is to end gives up its pull, which nobody else waits for", async () => {
  const [started, given] = [deferred<void>(), deferred<void>()];
  node.transfer.remote.set("far:1", (signal) => {
    started.resolve();
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        given.resolve();
        reject(signal.reason);
      });
    });
  });
  const task = assignedTask("t1", { spec: taskSpec({ image: "far:1" }) });
  node.manager.assign(task);
  await started.promise;
  node.manager.assign({ ...task, desiredState: "shutdown" });
  await given.promise;
  await reaches("t1", "shutdown");
});

test("of a tag from a registry a newer image is asked for; the one that is here will do when there is no answer", async () => {
  node.images.digests.set("bb:v1", [`bb@sha256:${"1".repeat(64)}`]);
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  expect(node.transfer.calls).toEqual([{ verb: "pull", reference: "bb:v1", credentials: "" }]);
});

test("a registry that does not answer holds up a task whose image is here for 10 s at most", async () => {
  const started = deferred<void>();
  node.images.digests.set("bb:v1", [`bb@sha256:${"1".repeat(64)}`]);
  node.transfer.remote.set("bb:v1", () => {
    started.resolve();
    return new Promise(() => undefined);
  });
  node.manager.assign(assignedTask("t1"));
  await started.promise;
  await node.clock.advance(10_000);
  await reaches("t1", "running");
});

test("a program that cannot be executed fails the task", async () => {
  node.runtime.beforeStart = () => {
    throw new ClusterError("failed_precondition", 'exec "nope": no such file or directory');
  };
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "failed");
  expect(node.manager.statuses.get("t1")?.error).toBe('starting container failed: exec "nope": no such file or directory');
});

test("a bind source that does not exist rejects the task", async () => {
  const mount = {
    type: "bind",
    source: "/nowhere/at/all",
    target: "/x",
    readOnly: false,
    consistency: "",
    bindOptions: null,
    volumeOptions: null,
    tmpfsOptions: null,
  } as const;
  node.manager.assign(assignedTask("t1", { spec: taskSpec({ mounts: [mount] }) }));
  await reaches("t1", "rejected");
  expect(node.manager.statuses.get("t1")?.error).toBe('invalid mount config for type "bind": bind source path does not exist: /nowhere/at/all');
});

test("shutdown stops the container within its grace period and keeps it, removal deletes it", async () => {
  const task = assignedTask("t1", { spec: taskSpec({ stopGracePeriodNs: 3_000_000_000n }) });
  node.manager.assign(task);
  await reaches("t1", "running");
  node.manager.assign({ ...task, desiredState: "shutdown" });
  await reaches("t1", "shutdown");
  expect(node.runtime.calls).toContain("stop web.1.t1 3000");
  expect(node.manager.statuses.get("t1")).toMatchObject({ message: "shutdown", error: "" });
  expect(node.runtime.inspect("web.1.t1")?.state).toBe("exited");
  node.manager.withdraw("t1");
  await eventually("no container", () => node.runtime.list().length === 0 && node.worker.tasks().length === 0);
});

test("a program that ignores its stop signal is killed", async () => {
  node.runtime.exitCodeOnStop = null;
  const task = assignedTask("t1");
  node.manager.assign(task);
  await reaches("t1", "running");
  node.manager.assign({ ...task, desiredState: "shutdown" });
  await eventually("stop", () => node.runtime.calls.includes("stop web.1.t1 10000"));
  await node.clock.advance(9_999);
  expect(node.runtime.inspect("web.1.t1")?.state).toBe("running");
  await node.clock.advance(1);
  await reaches("t1", "shutdown");
  expect(node.manager.statuses.get("t1")?.container?.exitCode).toBe(137);
});

test("desired remove ends the task and deletes its container", async () => {
  const task = assignedTask("t1");
  node.manager.assign(task);
  await reaches("t1", "running");
  node.manager.assign({ ...task, desiredState: "remove" });
  await reaches("t1", "shutdown");
  await eventually("no container", () => node.runtime.list().length === 0);
});

test("a task shut down before it ran never runs", async () => {
  node.manager.assign(assignedTask("t1", { desiredState: "shutdown" }));
  await reaches("t1", "shutdown");
  expect(node.runtime.calls).toEqual([]);
});

test("a task that is assigned again while what is left of it is deleted runs once that is done, unless it is withdrawn again", async () => {
  node.manager.assign(assignedTask("t1"), assignedTask("t2"));
  for (const id of ["t1", "t2"]) await reaches(id, "running");
  const mayRemove = deferred<void>();
  const remove = node.runtime.remove.bind(node.runtime);
  let removals = 0;
  node.runtime.remove = async (id, options) => {
    removals++;
    await mayRemove.promise;
    await remove(id, options);
  };
  node.manager.withdraw("t1", "t2");
  await eventually("both are being removed", () => removals === 2);
  node.manager.statuses.clear();
  node.manager.assign(assignedTask("t1"), assignedTask("t2"));
  node.manager.withdraw("t2");
  node.manager.assign(assignedTask("t3"));
  await reaches("t3", "running");
  expect([...node.manager.statuses.keys()]).toEqual(["t3"]);
  mayRemove.resolve();
  await reaches("t1", "running");
  expect(node.runtime.inspect("web.1.t1")?.config.id).toBe(node.containerIdOf("t1"));
  await eventually("the other is gone", () => node.worker.tasks().length === 2 && node.runtime.list().length === 2);
  expect(node.stateOf("t2")).toBe(undefined);
});

test.each([
  [4, "shutdown", ""],
  [5, "failed", "the shim does not answer"],
])("a stop that fails %i times makes the task %s", async (failures, state, error) => {
  const task = assignedTask("t1");
  node.manager.assign(task);
  await reaches("t1", "running");
  const stop = node.runtime.stop.bind(node.runtime);
  let attempts = 0;
  node.runtime.stop = async (id, gracePeriodMs) => {
    if (++attempts <= failures) throw new ClusterError("unavailable", "the shim does not answer");
    await stop(id, gracePeriodMs);
  };
  node.manager.assign({ ...task, desiredState: "shutdown" });
  await until("the end", async () => {
    await node.clock.advance(100);
    return node.stateOf("t1") === state;
  });
  expect(node.manager.statuses.get("t1")?.error).toBe(error);
  expect(attempts).toBe(5);
});

test("a container that cannot be removed at once is removed a little later", async () => {
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  const remove = node.runtime.remove.bind(node.runtime);
  let attempts = 0;
  node.runtime.remove = async (id, options) => {
    if (++attempts < 3) throw new ClusterError("internal", "device or resource busy");
    await remove(id, options);
  };
  node.manager.withdraw("t1");
  await until("no container", async () => {
    await node.clock.advance(100);
    return node.runtime.list().length === 0 && node.worker.tasks().length === 0;
  });
  expect(attempts).toBe(3);
});

test("a container that someone removed fails its task", async () => {
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  await node.runtime.remove(node.containerIdOf("t1"), { force: true });
  await eventually("the end", () => ["failed", "complete"].includes(node.stateOf("t1") ?? ""));
  expect(node.stateOf("t1")).toBe("failed");
});

test("ports are published at start, reported, and given back at the end", async () => {
  const port: PortConfig = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 0, publishMode: "host" };
  const endpoint = { spec: { mode: "vip", ports: [port] }, ports: [port], virtualIps: [] } as const;
  node.manager.assign(assignedTask("t1", { endpoint, desiredState: "ready" }));
  await reaches("t1", "ready");
  expect([...node.network.endpoints.values()][0]?.ports).toEqual([]);
  node.manager.assign(assignedTask("t1", { endpoint }));
  await reaches("t1", "running");
  expect(node.manager.statuses.get("t1")?.ports).toEqual([{ ...port, publishedPort: expect.any(Number) }]);
  expect(node.manager.statuses.get("t1")?.ports[0]?.publishedPort).toBeGreaterThan(0);
  node.runtime.exit(node.containerIdOf("t1"), 0);
  await reaches("t1", "complete");
  expect(node.manager.statuses.get("t1")?.ports).toEqual([]);
});

test("env, hostname and mount sources are templates; the command is not", async () => {
  node.manager.assign(
    assignedTask("t1", {
      slot: 4,
      serviceLabels: { "com.example.tier": "front" },
      assignedGenericResources: [
        { kind: "gpu", named: "a", discrete: 0n },
        { kind: "gpu", named: "b", discrete: 0n },
      ],
      spec: taskSpec({
        hostname: "{{.Service.Name}}-{{.Task.Slot}}",
        env: ["NODE={{ .Node.Hostname }}", 'TIER={{index .Service.Labels "com.example.tier"}}', "PLAIN"],
        args: ["echo", "{{.Task.ID}}"],
        mounts: [
          {
            type: "bind",
            source: `${node.folder}/{{.Task.ID}}`,
            target: "/x",
            readOnly: true,
            consistency: "",
            bindOptions: { propagation: "", nonRecursive: false, createMountpoint: true, readOnlyNonRecursive: false, readOnlyForceRecursive: false },
            volumeOptions: null,
            tmpfsOptions: null,
          },
        ],
      }),
    }),
  );
  await reaches("t1", "running");
  expect(node.runtime.inspect("web.1.t1")?.config).toMatchObject({
    hostname: "web-4",
    env: ["NODE=host-1", "TIER=front", "PLAIN", "DOCKER_RESOURCE_GPU=a,b"],
    command: ["echo", "{{.Task.ID}}"],
    mounts: [{ type: "bind", source: `${node.folder}/t1`, target: "/x", isReadOnly: true }],
  });
});

test("starts are bounded, and all tasks get their turn", async () => {
  let starting = 0;
  let most = 0;
  const gates: (() => void)[] = [];
  node.runtime.beforeStart = async () => {
    most = Math.max(most, ++starting);
    await new Promise<void>((resolve) => gates.push(resolve));
    starting--;
  };
  const ids = Array.from({ length: 30 }, (_, index) => `t${index}`);
  node.manager.assign(...ids.map((id) => assignedTask(id)));
  await eventually("eight starts", () => gates.length === 8);
  while (ids.some((id) => node.stateOf(id) !== "running")) {
    for (const open of gates.splice(0)) open();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBe(8);
});

test("the record of a task is there before its container, has its end before a manager, and goes with it", async () => {
  const path = join(node.folder, "tasks", "t1.task");
  const recorded = () => decodeRecord(readFileSync(path)).status?.state;
  let atCreation: string | undefined;
  node.runtime.beforeCreate = () => {
    atCreation = recorded();
  };
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  expect(atCreation).toBe("assigned");
  node.runtime.exit(node.containerIdOf("t1"), 0);
  await reaches("t1", "complete");
  expect(recorded()).toBe("complete");
  node.manager.withdraw("t1");
  await eventually("nothing is left", () => node.worker.tasks().length === 0);
  expect(existsSync(path)).toBe(false);
});

test("a task that is assigned again while it ends has ended, and says so", async () => {
  node.runtime.exitCodeOnStop = null;
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  node.manager.withdraw("t1");
  await eventually("it is to stop", () => node.runtime.calls.includes("stop web.1.t1 10000"));
  node.manager.assign(assignedTask("t1"), assignedTask("t2"));
  await reaches("t2", "running");
  await node.clock.advance(10_000);
  await reaches("t1", "shutdown");
});

test("a removal that fails after the end of a task is tried again when something changes, and not in a loop", async () => {
  const task = assignedTask("t1", { desiredState: "shutdown" });
  node.manager.assign(assignedTask("t1"));
  await reaches("t1", "running");
  let attempts = 0;
  node.runtime.remove = async () => {
    attempts++;
    throw new ClusterError("internal", "device or resource busy");
  };
  node.manager.assign({ ...task, desiredState: "remove" });
  await reaches("t1", "shutdown");
  node.manager.assign(assignedTask("t2"));
  await reaches("t2", "running");
  expect(attempts).toBe(1);
});
