import { expect, test } from "vitest";
import { testService, testTask } from "../../../support/services.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { taskSpec } from "../../../support/tasks.js";

const slots = (world: ServiceWorld) => world.running().map((task) => task.slot);

test("a new service gets slots 1 to N, named after service, slot and task", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 3 } } });
  expect(slots(world)).toEqual([1, 2, 3]);
  for (const task of world.tasks()) expect(task.name).toBe(`web.${task.slot}.${task.id}`);
  expect(world.service().updateStatus).toBeNull();
});

test("zero replicas is a service without tasks", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 0 } } });
  expect(world.tasks()).toEqual([]);
});

test("90 tasks are created in one transaction, and 500 in three", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  const creations = (from: number) =>
    world.proposer.committed
      .slice(from)
      .filter((transaction) => transaction.changes.some((change) => change.type === "create" && change.create.type === "task")).length;
  await world.create({ mode: { type: "replicated", replicated: { replicas: 30 } } });
  let mark = world.proposer.committed.length;
  await world.scale(90);
  expect(world.running()).toHaveLength(90);
  expect(creations(mark)).toBe(1);
  mark = world.proposer.committed.length;
  await world.scale(500);
  expect(world.running()).toHaveLength(500);
  expect(creations(mark)).toBe(3);
});

test("scaling down removes the tasks from the store once they have stopped, and keeps no history of them", async () => {
  await using world = new ServiceWorld();
  world.stopMs = 1_000;
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 5 } } });
  await world.scale(2);
  expect(world.live()).toHaveLength(2);
  expect(world.tasks().filter((task) => task.desiredState === "remove")).toHaveLength(3);
  await world.advance(2_000);
  expect(world.tasks().map((task) => task.slot)).toEqual([1, 2]);
  await world.scale(4);
  expect(slots(world)).toEqual([1, 2, 3, 4]);
});

test("deleting a service removes all its tasks once they have stopped, also ended ones and those that no node ever had", async () => {
  await using world = new ServiceWorld(["node1"]);
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 2 } } });
  await world.end(world.tasks()[0]!.id);
  await world.setNode("node1", { availability: "pause" });
  await world.scale(4);
  expect(world.tasks().length).toBeGreaterThan(4);
  await world.removeService();
  expect(world.tasks().every((task) => task.desiredState === "remove")).toBe(true);
  await world.advance(1_000);
  expect(world.tasks()).toEqual([]);
});

test("a label, a replica count or update settings change no task", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 2 } } });
  const before = world.tasks();
  await world.update(() => ({ labels: { a: "b" } }));
  await world.update(() => ({ update: { parallelism: 2, delayNs: 0n, failureAction: "continue", monitorNs: 0n, maxFailureRatio: 0.5, order: "start_first" } }));
  await world.scale(3);
  expect(world.tasks().slice(0, 2)).toEqual(before);
  expect(world.service().updateStatus).toBeNull();
});

test("a drained node's tasks move at once and start when the old ones have stopped", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  world.stopMs = 3_000;
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 4 } } });
  await world.setNode("node1", { availability: "drain" });
  expect(world.live().filter((task) => task.desiredState === "ready")).toHaveLength(2);
  expect(world.live().every((task) => task.nodeId === "node2")).toBe(true);
  await world.advance(3_500);
  expect(world.running().map((task) => task.nodeId)).toEqual(["node2", "node2", "node2", "node2"]);
  await world.setNode("node1", { availability: "active" });
  await world.advance(10_000);
  expect(world.running().every((task) => task.nodeId === "node2")).toBe(true);
});

test("tasks of a node that is down move after the restart delay, without waiting for the old ones to stop", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 2 } } });
  await world.setNode("node1", { state: "down" });
  await world.advance(4_800);
  expect(world.live().map((task) => task.desiredState)).toContain("ready");
  await world.advance(400);
  expect(world.live().map((task) => [task.nodeId, task.status?.state])).toEqual([
    ["node2", "running"],
    ["node2", "running"],
  ]);
  await world.setNode("node1", { state: "ready" });
  await world.advance(1_000);
  expect(world.running()).toHaveLength(2);
});

test.each([
  ["paused", { availability: "pause" as const }],
  ["unknown", { state: "unknown" as const }],
  ["disconnected", { state: "disconnected" as const }],
])("tasks of a node that is %s stay", async (_, change) => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 4 } } });
  const before = world.tasks();
  await world.setNode("node1", change);
  await world.advance(60_000, 1_000);
  expect(world.tasks()).toEqual(before);
});

test("tasks of a node that was deleted are replaced", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 2 } } });
  await world.removeNode("node1");
  await world.advance(5_500);
  expect(world.live().map((task) => [task.nodeId, task.status?.state])).toEqual([
    ["node2", "running"],
    ["node2", "running"],
  ]);
});

test("a new leader finishes what the old one began", async () => {
  await using world = new ServiceWorld();
  await world.create({ mode: { type: "replicated", replicated: { replicas: 3 } } });
  expect(world.tasks()).toEqual([]);
  await world.lead();
  expect(slots(world)).toEqual([1, 2, 3]);
  await world.depose();
  await world.scale(5);
  expect(slots(world)).toEqual([1, 2, 3]);
  await world.lead();
  expect(slots(world)).toEqual([1, 2, 3, 4, 5]);
});

test("loss of leadership ends the loops quietly", async () => {
  const world = new ServiceWorld();
  await world.lead();
  world.store.setProposer(null);
  world.store.apply(world.store.revision + 1, {
    proposalId: 0,
    atMs: 1,
    changes: [{ clientWrite: true, type: "create", create: { type: "service", service: testService({}, { id: "service9", spec: null }) } }],
  });
  await world.depose();
  expect(world.clock.pending).toBe(0);
});

test.each([
  ["a live task", "any"],
  ["none that runs any more", "none"],
] as const)("a slot with a long history and %s leaves in transactions of 200", async (_, condition) => {
  await using world = new ServiceWorld();
  await world.write((tx) => tx.update("cluster", { ...tx.cluster!, spec: { ...tx.cluster!.spec!, taskHistoryRetentionLimit: -1n } }));
  await world.lead();
  const restart = { condition, delayNs: 0n, maxAttempts: 0, windowNs: 0n } as const;
  await world.create({ mode: { type: "replicated", replicated: { replicas: 3 } }, task: taskSpec({}, { restart }) });
  const { specVersion } = world.service();
  const ids = Array.from({ length: 1_000 }, (_, at) => `past${at}`);
  const past = { serviceId: "service1", slot: 3, state: "failed", desiredState: "shutdown", specVersion, spec: taskSpec({}, { restart }) } as const;
  await world.store.batch(ids, (tx, id) => tx.create("task", testTask(id, past)));
  if (condition === "none") await world.end(world.live().find(({ slot }) => slot === 3)!.id);
  const mark = world.proposer.committed.length;
  await world.scale(2);
  await world.advance(1_000);
  expect(world.tasks().map(({ slot }) => slot)).toEqual([1, 2]);
  expect(Math.max(...world.proposer.committed.slice(mark).map(({ changes }) => changes.length))).toBe(200);
});
