import { describe, expect, test } from "vitest";
import { Scheduler } from "../../../../src/manager/scheduler/scheduler.js";
import { ConstraintEnforcer, planRejections } from "../../../../src/manager/scheduler/constraint-enforcer.js";
import type { Node, NodeAvailability, NodeSpec, ServiceSpec, Task, TaskState } from "../../../../src/model/objects.js";
import { nodeDescription } from "../../../support/node-description.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { replicated, testNode, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const constrained = (constraint: string): Partial<ServiceSpec> => ({
  task: taskSpec({}, { placement: { constraints: [constraint], preferences: [], maxReplicas: 0, platforms: [] } }),
});

async function world(...nodes: readonly string[]): Promise<ManagerWorld> {
  const cluster = new ManagerWorld(nodes);
  await cluster.lead();
  await cluster.connect(...nodes);
  return cluster;
}

const label = (cluster: ManagerWorld, id: string, labels: Readonly<Record<string, string>>) => setNode(cluster, id, { labels });

async function setNode(cluster: ManagerWorld, id: string, change: Partial<NodeSpec>): Promise<void> {
  const node = cluster.node(id);
  await cluster.manager.control.execute({ type: "updateNode", updateNode: { nodeId: id, version: node.meta!.version, spec: { ...node.spec!, ...change } } });
  await cluster.settle();
}

describe("the loop", () => {
  test("a global task that its node cannot take goes by the placement that its service has now", async () => {
    await using cluster = await world("n1");
    const task = (architecture: string) =>
      taskSpec({}, { placement: { constraints: [], preferences: [], maxReplicas: 0, platforms: [{ os: "linux", architecture }] } });
    const { id, meta, spec } = await cluster.create({ mode: { type: "global", global: {} }, task: task("riscv64") });
    expect(cluster.tasks()[0]?.status).toMatchObject({ state: "pending", error: "no suitable node (unsupported platform on 1 node)" });
    const updateService = { serviceId: id, version: meta!.version, spec: { ...spec!, task: task("") }, rollback: "none", registryAuthSource: "spec" } as const;
    await cluster.manager.control.execute({ type: "updateService", updateService });
    await cluster.settle();
    expect(cluster.spread()).toEqual({ n1: 1 });
  });

  test("a task that no node can take waits, says why, and goes as soon as one can", async () => {
    await using cluster = await world("n1");
    await cluster.create({ ...constrained("node.labels.disk==ssd"), ...replicated(2) });
    expect(cluster.tasks().map(({ status }) => [status?.state, status?.error])).toEqual([
      ["pending", "no suitable node (scheduling constraints not satisfied on 1 node)"],
      ["pending", "no suitable node (scheduling constraints not satisfied on 1 node)"],
    ]);
    await label(cluster, "n1", { disk: "ssd" });
    expect(cluster.tasks().map(({ status }) => [status?.state, status?.error])).toEqual([
      ["running", ""],
      ["running", ""],
    ]);
  });

  test("an explanation is written once", async () => {
    await using cluster = await world("n1");
    await cluster.create(constrained("node.labels.disk==ssd"));
    const { revision } = cluster.store;
    const node = cluster.node("n1");
    await cluster.write((tx) => tx.update("node", { ...node, status: { state: "ready", message: "x", address: "" } }));
    await cluster.settle();
    expect(cluster.store.revision).toBe(revision + 1);
  });

  test("a freed port lets the next task in", async () => {
    await using cluster = await world("n1");
    const ports = [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 80, publishMode: "host" }] as const;
    const first = await cluster.create({ name: "one", endpoint: { mode: "vip", ports } });
    await cluster.create({ name: "two", endpoint: { mode: "vip", ports } });
    expect(cluster.tasks().map(({ status }) => status?.state)).toEqual(["running", "pending"]);
    await cluster.manager.control.execute({ type: "removeService", removeService: { serviceId: first.id } });
    await cluster.advance(1000);
    expect(cluster.tasks().map(({ serviceName, status }) => [serviceName, status?.state])).toEqual([["two", "running"]]);
  });

  test("a decision that was overtaken is dropped and made again", async () => {
    await using cluster = await world("n1", "n2");
    cluster.proposer.hold();
    const service = cluster.manager.control.execute({
      type: "createService",
      createService: { spec: { name: "web", labels: {}, task: taskSpec(), update: null, rollback: null, endpoint: null, ...replicated(1) } as ServiceSpec },
    });
    // Each step of the task's way is committed alone, so that a drain can come between the scheduler's look and its write.
    for (let step = 0; step < 3; step++) {
      await cluster.settle();
      await cluster.proposer.release(1);
    }
    const drained = cluster.node("n1");
    void cluster.write((tx) => tx.update("node", { ...drained, spec: { ...drained.spec!, availability: "drain" } }));
    await cluster.settle();
    await cluster.proposer.release();
    await service;
    await cluster.advance(6000);
    expect(cluster.spread()).toEqual({ n2: 1 });
  });

  test("a large service is assigned in transactions of limited size", async () => {
    await using cluster = await world("n1", "n2", "n3");
    await cluster.create(replicated(500));
    expect(Object.values(cluster.spread()).reduce((a, b) => a + b, 0)).toBe(500);
    expect(Math.max(...cluster.proposer.committed.map(({ changes }) => changes.length))).toBeLessThanOrEqual(200);
  });
});

describe("the loop alone", () => {
  const port80: Task["endpoint"] = {
    spec: null,
    ports: [{ name: "", protocol: "tcp", targetPort: 1, publishedPort: 80, publishMode: "host" }],
    virtualIps: [],
  };
  const cpus = (count: number) =>
    taskSpec({}, { resources: { limits: null, reservations: { nanoCpus: BigInt(count) * 1_000_000_000n, memoryBytes: 0n, generic: [] } } });
  const states = (cluster: ManagerWorld) => Object.fromEntries(cluster.tasks().map(({ id, status }) => [id, status?.state]));

  async function scheduling(nodes: readonly Node[], ...tasks: readonly Task[]): Promise<ManagerWorld> {
    const cluster = new ManagerWorld(nodes);
    await cluster.leadWith(new Scheduler(cluster));
    await add(cluster, ...tasks);
    return cluster;
  }

  async function add(cluster: ManagerWorld, ...tasks: readonly Task[]): Promise<void> {
    await cluster.write((tx) => {
      for (const task of tasks) tx.create("task", task);
    });
    await cluster.settle();
  }

  async function change(cluster: ManagerWorld, ...tasks: readonly Task[]): Promise<void> {
    await cluster.write((tx) => {
      for (const task of tasks) tx.update("task", task);
    });
    await cluster.settle();
  }

  test("a node where a service failed is given its tasks again after five minutes, whatever becomes of the clock", async () => {
    await using cluster = new ManagerWorld([testNode("n1"), testNode("n2")]);
    await cluster.leadWith(new Scheduler(cluster));
    const ids = ["f1", "f2", "f3", "f4", "f5"];
    await cluster.write((tx) => void ids.map((id) => tx.create("task", testTask(id, { serviceId: "web", nodeId: "n1" }))));
    await cluster.write(
      (tx) => void ids.map((id) => tx.update("task", testTask(id, { serviceId: "web", nodeId: "n1", state: "failed", desiredState: "shutdown" }))),
    );
    const placed = async (id: string) => {
      await cluster.write((tx) => tx.create("task", testTask(id, { serviceId: "web", nodeId: "", state: "pending" })));
      await cluster.settle();
      return cluster.store.view.tasks.get(id)?.nodeId;
    };
    expect([await placed("a"), await placed("b")]).toEqual(["n2", "n2"]);
    cluster.clock.set(-3_600_000);
    await cluster.advance(5 * 60_000, 60_000);
    expect(await placed("c")).toBe("n1");
  });

  test("one failure counts once, whatever is written of the task before and after", async () => {
    const task = (state: TaskState, atMs: number) => testTask("f", { serviceId: "web", nodeId: "n1", state, atMs });
    await using cluster = await scheduling([testNode("n1"), testNode("n2")], task("starting", 0));
    for (let at = 1; at < 6; at++) await change(cluster, task("running", at));
    for (let at = 6; at < 12; at++) await change(cluster, task("failed", at));
    await add(cluster, testTask("a", { serviceId: "web", nodeId: "", state: "pending" }));
    expect(cluster.store.view.tasks.get("a")?.nodeId).toBe("n1");
  });

  test("global tasks that wait for one port do not keep each other from it", async () => {
    const task = (id: string, state: TaskState) => testTask(id, { serviceId: id, nodeId: "n1", state, endpoint: port80 });
    await using cluster = await scheduling([testNode("n1")], task("x", "running"), task("y", "pending"), task("z", "pending"));
    expect(states(cluster)).toEqual({ x: "running", y: "pending", z: "pending" });
    await cluster.write((tx) => tx.remove("task", "x"));
    await cluster.settle();
    expect(states(cluster)).toEqual({ y: "assigned", z: "pending" });
  });

  test("a global task that does not fit on its node leaves the room to others", async () => {
    const node = { ...testNode("n1"), description: nodeDescription("n1") };
    await using cluster = await scheduling(
      [node],
      testTask("x", { serviceId: "x", nodeId: "n1", spec: cpus(1) }),
      testTask("large", { serviceId: "large", nodeId: "n1", state: "pending", spec: cpus(4) }),
      testTask("small", { serviceId: "small", nodeId: "", state: "pending", spec: cpus(3) }),
    );
    expect(states(cluster)).toEqual({ x: "running", large: "pending", small: "assigned" });
  });

  test("a node keeps nothing of a decision that was dropped", async () => {
    const task = (id: string) => testTask(id, { serviceId: id, nodeId: "", state: "pending", endpoint: port80 });
    await using cluster = await scheduling([testNode("n1", { availability: "pause" })], task("a"));
    const set = (availability: NodeAvailability) => cluster.write((tx) => tx.update("node", testNode("n1", { availability })));
    cluster.proposer.hold();
    const writes = [set("active"), set("pause")];
    await cluster.settle();
    await cluster.proposer.release(1);
    await cluster.settle();
    await cluster.proposer.release();
    await Promise.all(writes);
    await cluster.write((tx) => tx.remove("task", "a"));
    await set("active");
    await add(cluster, task("b"));
    expect(states(cluster)).toEqual({ b: "assigned" });
  });

  test("a task that is not wanted any more gets no node", async () => {
    await using cluster = await scheduling([testNode("n1")], testTask("a", { nodeId: "", state: "pending", desiredState: "shutdown" }));
    expect(states(cluster)).toEqual({ a: "pending" });
  });

  test("a node that was removed is not among those that do not suit, also while its tasks are there", async () => {
    await using cluster = await scheduling([testNode("n1", { availability: "pause" }), testNode("n2")], testTask("x", { serviceId: "x", nodeId: "n2" }));
    await cluster.write((tx) => tx.remove("node", "n2"));
    await add(cluster, testTask("a", { nodeId: "", state: "pending" }));
    expect(cluster.store.view.tasks.get("a")?.status?.error).toBe("no suitable node (1 node not available for new tasks)");
  });

  test("where one task of the service is the most, the next one comes as soon as the first is on its way out", async () => {
    const spec = taskSpec({}, { placement: { constraints: [], preferences: [], maxReplicas: 1, platforms: [] } });
    const old = testTask("old", { nodeId: "n1", spec });
    await using cluster = await scheduling([testNode("n1")], old, testTask("new", { nodeId: "", state: "pending", spec }));
    expect(states(cluster)).toEqual({ old: "running", new: "pending" });
    await change(cluster, { ...old, desiredState: "shutdown" });
    expect(states(cluster)).toEqual({ old: "running", new: "assigned" });
  });
});

describe("the constraint enforcer", () => {
  test("tasks leave a node that stops meeting the service's constraints", async () => {
    await using cluster = await world("n1", "n2");
    await label(cluster, "n1", { disk: "ssd" });
    await cluster.create(constrained("node.labels.disk==ssd"));
    expect(cluster.spread()).toEqual({ n1: 1 });
    await label(cluster, "n2", { disk: "ssd" });
    await label(cluster, "n1", {});
    const old = cluster.tasks().find(({ nodeId }) => nodeId === "n1");
    expect(old?.status).toMatchObject({
      state: "rejected",
      message: "assigned node no longer meets constraints",
      error: "assigned node no longer meets constraints",
      appliedAtMs: cluster.clock.now(),
    });
    await cluster.advance(6000);
    expect(cluster.spread()).toEqual({ n2: 1 });
  });

  test("a paused node keeps what it has, until it is active again", async () => {
    await using cluster = await world("n1", "n2");
    await label(cluster, "n1", { disk: "ssd" });
    await cluster.create(constrained("node.labels.disk==ssd"));
    await setNode(cluster, "n1", { availability: "pause" });
    await label(cluster, "n2", { disk: "ssd" });
    await label(cluster, "n1", {});
    await cluster.advance(6000);
    expect(cluster.spread()).toEqual({ n1: 1 });
    await setNode(cluster, "n1", { availability: "active" });
    await cluster.advance(6000);
    expect(cluster.spread()).toEqual({ n2: 1 });
  });

  const manager: Node = { ...testNode("n1", { labels: { disk: "ssd" } }), role: "manager", description: nodeDescription("n1") };
  test.each<[string, string, Node]>([
    ["label", "node.labels.disk==ssd", { ...manager, spec: { ...manager.spec!, labels: {} } }],
    ["role", "node.role==manager", { ...manager, role: "worker" }],
    ["host name", "node.hostname==n1", { ...manager, description: nodeDescription("n2") }],
    ["address", "node.ip==10.0.0.0/24", { ...manager, status: { ...manager.status!, address: "10.0.1.1" } }],
  ])("sees another %s", async (_, constraint, changed) => {
    await using cluster = new ManagerWorld([manager]);
    await cluster.leadWith(new ConstraintEnforcer(cluster));
    await cluster.write((tx) => tx.create("task", testTask("a", { nodeId: "n1", spec: constrained(constraint).task! })));
    await cluster.write((tx) => tx.update("node", { ...manager, status: { ...manager.status!, message: "another" } }));
    await cluster.settle();
    expect(cluster.tasks()[0]?.status?.state).toBe("running");
    await cluster.write((tx) => tx.update("node", changed));
    await cluster.settle();
    expect(cluster.tasks()[0]?.status?.state).toBe("rejected");
  });

  test("sees at the beginning of a term what changed before", async () => {
    await using cluster = new ManagerWorld([testNode("n1")]);
    await cluster.write((tx) => tx.create("task", testTask("a", { nodeId: "n1", spec: constrained("node.id==n2").task! })));
    await cluster.leadWith(new ConstraintEnforcer(cluster));
    expect(cluster.tasks()[0]?.status?.state).toBe("rejected");
  });

  test("a task that is being shut down already is left to that", async () => {
    await using cluster = new ManagerWorld([manager]);
    await cluster.leadWith(new ConstraintEnforcer(cluster));
    const task = testTask("a", { nodeId: "n1", spec: constrained("node.labels.disk==ssd").task! });
    await cluster.write((tx) => tx.create("task", task));
    cluster.proposer.hold();
    const writes = [
      cluster.write((tx) => tx.update("node", { ...manager, spec: { ...manager.spec!, labels: {} } })),
      cluster.write((tx) => tx.update("task", { ...task, desiredState: "shutdown" })),
    ];
    await cluster.settle();
    await cluster.proposer.release(1);
    await cluster.settle();
    await cluster.proposer.release();
    await Promise.all(writes);
    await cluster.settle();
    expect(cluster.tasks()[0]?.status?.state).toBe("running");
  });

  const node = { ...testNode("n1", { labels: { disk: "ssd" } }), description: nodeDescription("n1") };
  const reserving = (id: string, nanoCpus: bigint, memoryBytes = 0n) =>
    testTask(id, { spec: taskSpec({}, { resources: { limits: null, reservations: { nanoCpus, memoryBytes, generic: [] } } }) });
  const gib = 1024n ** 3n;
  test.each<[string, Parameters<typeof planRejections>, readonly string[]]>([
    ["met", [node, [testTask("a")], () => ["node.labels.disk==ssd"]], []],
    ["not met", [node, [testTask("a")], () => ["node.labels.disk==hdd"]], ["a"]],
    ["unreadable", [node, [testTask("a")], () => ["nonsense"]], []],
    ["drained", [{ ...node, spec: { ...node.spec!, availability: "drain" } }, [testTask("a")], () => ["node.labels.disk==hdd"]], []],
    ["paused", [{ ...node, spec: { ...node.spec!, availability: "pause" } }, [testTask("a")], () => ["node.labels.disk==hdd"]], []],
    [
      "tasks that ended or shall end",
      [node, [testTask("a", { state: "failed" }), testTask("b", { desiredState: "shutdown" }), testTask("c", { state: "pending" })], () => ["node.id==x"]],
      [],
    ],
    [
      "reservations beyond what the node has",
      [node, [reserving("a", 3_000_000_000n), reserving("b", 2_000_000_000n), reserving("c", 1_000_000_000n)], () => []],
      ["b"],
    ],
    ["reservations of memory", [node, [reserving("a", 0n, 5n * gib), reserving("b", 0n, 4n * gib), reserving("c", 0n, 3n * gib)], () => []], ["b"]],
    ["nothing reserved on a node that has nothing", [{ ...node, description: null }, [testTask("a")], () => []], []],
    [
      "a node that shrank below what one task reserves, for another that reserves the other kind",
      [node, [reserving("a", 5_000_000_000n), reserving("b", 0n, 9n * gib), reserving("c", 4_000_000_000n, 8n * gib)], () => []],
      ["a", "b"],
    ],
    [
      "of a service that is gone: the task's own",
      [
        node,
        [testTask("a", { spec: taskSpec({}, { placement: { constraints: ["node.id==x"], preferences: [], maxReplicas: 0, platforms: [] } }) })],
        () => undefined,
      ],
      ["a"],
    ],
  ])("%s", (_, args, expected) => {
    expect(planRejections(...args).map(({ id }) => id)).toEqual(expected);
  });
});
