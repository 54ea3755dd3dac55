import { expect, test } from "vitest";
import { DEFAULT_UPDATE_CONFIG } from "../../../../src/model/defaults.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { global } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const nodes = (world: ServiceWorld) => world.running().map((task) => task.nodeId);

test("each node gets one task, preassigned and named after it; nodes that join get theirs", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(global);
  expect(nodes(world)).toEqual(["node1", "node2"]);
  expect(world.tasks()[0]).toMatchObject({ slot: 0, name: `web.node1.${world.tasks()[0]!.id}` });
  await world.addNode("node3");
  expect(nodes(world)).toEqual(["node1", "node2", "node3"]);
  await world.addNode("node4", { availability: "drain" });
  await world.addNode("node5", { state: "down" });
  expect(world.tasks()).toHaveLength(3);
});

test("constraints choose the nodes, and follow their labels", async () => {
  await using world = new ServiceWorld(["node1"]);
  await world.lead();
  await world.addNode("node2", { labels: { disk: "ssd" } });
  await world.create({
    ...global,
    task: taskSpec({}, { placement: { constraints: ["node.labels.disk==ssd"], preferences: [], maxReplicas: 0, platforms: [] } }),
  });
  expect(nodes(world)).toEqual(["node2"]);
  await world.setNode("node1", { labels: { disk: "ssd" } });
  expect(nodes(world)).toEqual(["node1", "node2"]);
  await world.setNode("node2", { labels: {} });
  expect(nodes(world)).toEqual(["node1"]);
  expect(world.live()).toHaveLength(1);
});

test.each([
  ["drained", { availability: "drain" as const }, { availability: "active" as const }],
  ["down", { state: "down" as const }, { state: "ready" as const }],
])("the task of a node that is %s is shut down, not moved, and made anew when the node is back", async (_, leave, back) => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create({ ...global, task: taskSpec({}, { restart: { condition: "none", maxAttempts: 0, windowNs: 0n } }) });
  await world.setNode("node1", leave);
  await world.advance(10_000);
  expect(world.live().map((task) => task.nodeId)).toEqual(["node2"]);
  await world.setNode("node1", back);
  await world.advance(1_000);
  expect(nodes(world)).toEqual(["node1", "node2"]);
});

test("a node that was given up on and comes back starts the new task only when the old one has stopped", async () => {
  await using world = new ServiceWorld(["node1"]);
  world.stopMs = 2_000;
  await world.lead();
  await world.create(global);
  await world.setNode("node1", { state: "down" });
  await world.setNode("node1", { state: "ready" });
  expect(world.live().map((task) => task.status?.state)).toEqual(["ready"]);
  await world.advance(2_500);
  expect(world.live().map((task) => task.status?.state)).toEqual(["running"]);
});

test("a paused node keeps its task, gets no new one and no update, and failed ones rest until it is active again", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(global);
  await world.setNode("node1", { availability: "pause" });
  await world.addNode("node3", { availability: "pause" });
  await world.updateImage("bb:v2");
  await world.advance(10_000);
  expect(world.running().map((task) => [task.nodeId, task.spec?.container?.image])).toEqual([
    ["node1", "bb:v1"],
    ["node2", "bb:v2"],
  ]);
  expect(world.service().updateStatus?.state).toBe("completed");
  await world.end(world.running()[0]!.id);
  await world.advance(10_000);
  expect(nodes(world)).toEqual(["node2"]);
  await world.setNode("node1", { availability: "active" });
  await world.setNode("node3", { availability: "active" });
  await world.advance(6_000);
  expect(world.running().map((task) => [task.nodeId, task.spec?.container?.image])).toEqual([
    ["node1", "bb:v2"],
    ["node2", "bb:v2"],
    ["node3", "bb:v2"],
  ]);
});

test("a stale task on a node that becomes active again is replaced outside a rolling update", async () => {
  await using world = new ServiceWorld(["node1", "node2", "node3"]);
  await world.lead();
  await world.create({ ...global, update: { ...DEFAULT_UPDATE_CONFIG, delayNs: 60_000_000_000n } });
  await world.setNode("node1", { availability: "pause" });
  await world.setNode("node2", { availability: "pause" });
  await world.updateImage("bb:v2");
  await world.advance(62_000, 1_000);
  const { updateStatus } = world.service();
  await world.setNode("node1", { availability: "active" });
  await world.setNode("node2", { availability: "active" });
  await world.advance(1_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
  expect(updateStatus?.state).toBe("completed");
  expect(world.service().updateStatus).toEqual(updateStatus);
});

test("tasks of a deleted node vanish with it", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(global);
  await world.removeNode("node1");
  expect(world.tasks().map((task) => task.nodeId)).toEqual(["node2"]);
});

test("a failed task is restarted on its node after the delay", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(global);
  await world.end(world.tasks()[0]!.id);
  await world.advance(4_900);
  expect(nodes(world)).toEqual(["node2"]);
  await world.advance(200);
  expect(nodes(world)).toEqual(["node1", "node2"]);
});

test("a task that ended for good under its policy is not made again before an update", async () => {
  await using world = new ServiceWorld(["node1"]);
  await world.lead();
  await world.create({ ...global, task: taskSpec({}, { restart: { condition: "on_failure", maxAttempts: 0, windowNs: 0n } }) });
  await world.end(world.tasks()[0]!.id, "complete");
  await world.addNode("node2");
  await world.advance(20_000);
  expect(nodes(world)).toEqual(["node2"]);
  await world.updateImage("bb:v2");
  await world.advance(6_000);
  expect(nodes(world)).toEqual(["node1", "node2"]);
});

test("a node that was drained during a label change gets its task without a rolling update", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(global);
  await world.setNode("node1", { availability: "drain" });
  await world.updateImage("bb:v2");
  await world.advance(6_000);
  await world.update(() => ({ labels: { a: "b" } }));
  await world.setNode("node1", { availability: "active" });
  expect(world.images()).toEqual(["bb:v2", "bb:v2"]);
  expect(world.service().updateStatus).toBeNull();
});
