import { describe, expect, test } from "vitest";
import { Scheduler } from "../../../../src/manager/scheduler/scheduler.js";
import { planRejections } from "../../../../src/manager/scheduler/constraint-enforcer.js";
import type { ServiceSpec } from "../../../../src/model/objects.js";
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

async function label(cluster: ManagerWorld, id: string, labels: Readonly<Record<string, string>>): Promise<void> {
  const node = cluster.node(id);
  await cluster.manager.control.execute({ type: "updateNode", updateNode: { nodeId: id, version: node.meta!.version, spec: { ...node.spec!, labels } } });
  await cluster.settle();
}

describe("the loop", () => {
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

describe("the constraint enforcer", () => {
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

  const node = { ...testNode("n1", { labels: { disk: "ssd" } }), description: nodeDescription("n1") };
  const reserving = (id: string, nanoCpus: bigint) =>
    testTask(id, { spec: taskSpec({}, { resources: { limits: null, reservations: { nanoCpus, memoryBytes: 0n, generic: [] } } }) });
  test.each<[string, Parameters<typeof planRejections>, readonly string[]]>([
    ["met", [node, [testTask("a")], () => ["node.labels.disk==ssd"]], []],
    ["not met", [node, [testTask("a")], () => ["node.labels.disk==hdd"]], ["a"]],
    ["unreadable", [node, [testTask("a")], () => ["nonsense"]], []],
    ["drained", [{ ...node, spec: { ...node.spec!, availability: "drain" } }, [testTask("a")], () => ["node.labels.disk==hdd"]], []],
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
