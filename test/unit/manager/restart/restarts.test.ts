import { expect, test } from "vitest";
import type { RestartPolicy } from "../../../../src/model/objects.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { replicated } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const policy = (change: Partial<RestartPolicy>) => ({ task: taskSpec({}, { restart: { condition: "any", maxAttempts: 0, windowNs: 0n, ...change } }) });
const states = (world: ServiceWorld) => world.tasks().map((task) => `${task.desiredState}/${task.status?.state}`);

test("a replacement is made at once, prepares, and starts after the delay", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create();
  await world.end(world.tasks()[0]!.id);
  expect(states(world)).toEqual(["shutdown/failed", "ready/ready"]);
  expect(world.tasks()[1]).toMatchObject({ slot: 1, replacesTaskId: world.tasks()[0]!.id, startDelayMs: 5_000 });
  await world.advance(4_900);
  expect(states(world)).toEqual(["shutdown/failed", "ready/ready"]);
  await world.advance(100);
  expect(states(world)).toEqual(["shutdown/failed", "running/running"]);
});

test("a replacement that fails before its delay is over is not replaced sooner", async () => {
  await using world = new ServiceWorld();
  world.fate = (task) => (task.replacesTaskId === undefined ? "run" : "reject");
  await world.lead();
  await world.create();
  await world.end(world.tasks()[0]!.id);
  await world.advance(4_900);
  expect(states(world)).toEqual(["shutdown/failed", "ready/rejected"]);
  await world.advance(100);
  expect(states(world)).toEqual(["shutdown/failed", "shutdown/rejected", "ready/rejected"]);
  await world.advance(4_900);
  expect(states(world)).toHaveLength(3);
});

test("a drained node's task is replaced by one that starts once it has stopped, at the latest after a minute", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  world.stopMs = 600_000;
  await world.lead();
  await world.create();
  await world.setNode("node1", { availability: "drain" });
  await world.advance(59_900);
  expect(states(world)).toEqual(["shutdown/running", "ready/ready"]);
  await world.advance(100);
  expect(states(world)).toEqual(["shutdown/running", "running/running"]);
});

test("a task that waits for its predecessor starts when that one's node goes down", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  world.stopMs = 600_000;
  await world.lead();
  await world.create();
  await world.setNode("node1", { availability: "drain" });
  await world.advance(1_000);
  expect(states(world)).toEqual(["shutdown/running", "ready/ready"]);
  await world.setNode("node1", { state: "down" });
  expect(states(world)).toEqual(["shutdown/running", "running/running"]);
});

test.each([
  ["none", "failed", 1],
  ["none", "complete", 1],
  ["on_failure", "failed", 2],
  ["on_failure", "complete", 1],
  ["any", "failed", 2],
  ["any", "complete", 2],
  ["any", "rejected", 2],
] as const)("with condition %s a task that ends as %s leaves %d tasks in its slot", async (condition, state, count) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(policy({ condition, delayNs: 0n }));
  await world.end(world.tasks()[0]!.id, state);
  await world.advance(20_000, 1_000);
  expect(world.tasks()).toHaveLength(count);
  expect(world.running()).toHaveLength(count - 1);
});

test.each([
  ["none", "drain", 0],
  ["on_failure", "drain", 1],
  ["any", "drain", 1],
  ["none", "down", 0],
  ["on_failure", "down", 1],
] as const)("with condition %s a task on a node that goes to %s leaves %d running elsewhere", async (condition, change, count) => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(policy({ condition, delayNs: 0n }));
  await world.setNode("node1", change === "drain" ? { availability: "drain" } : { state: "down" });
  await world.advance(1_000);
  expect(world.running().filter((task) => task.nodeId === "node2")).toHaveLength(count);
  expect(world.live()).toHaveLength(count);
});

test("after the last attempt the slot rests, until a service update fills it; another leader counts the same", async () => {
  await using world = new ServiceWorld();
  world.fate = () => "fail";
  await world.lead();
  await world.create({ ...policy({ maxAttempts: 2, delayNs: 0n }), ...replicated(2) });
  await world.advance(10_000);
  expect(world.tasks().map((task) => task.slot)).toEqual([1, 1, 1, 2, 2, 2]);
  expect(world.live()).toEqual([]);
  await world.depose();
  await world.lead();
  await world.advance(10_000);
  expect(world.tasks()).toHaveLength(6);
  world.fate = () => "run";
  await world.update(() => ({ labels: { touched: "yes" } }));
  await world.advance(10_000);
  expect(world.running()).toEqual([]);
  await world.updateImage("bb:v2");
  await world.advance(10_000);
  expect(world.running().map((task) => task.slot)).toEqual([1, 2]);
});

test("a leader that takes over in the middle of the attempts goes on counting", async () => {
  await using world = new ServiceWorld();
  world.fate = () => "fail";
  await world.lead();
  await world.create(policy({ maxAttempts: 3, delayNs: 1_000_000_000n }));
  await world.advance(1_500);
  expect(world.tasks()).toHaveLength(3);
  await world.depose();
  await world.advance(5_000);
  await world.lead();
  await world.advance(20_000);
  expect(world.tasks()).toHaveLength(4);
  expect(world.live()).toEqual([]);
});

test("a leader that takes over during a restart delay waits only for the rest of it", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create();
  await world.end(world.tasks()[0]!.id);
  await world.depose();
  await world.advance(3_000);
  await world.lead();
  await world.advance(1_900);
  expect(world.running()).toEqual([]);
  await world.advance(100);
  expect(world.running()).toHaveLength(1);
});

test("with a window only the attempts inside it count", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(policy({ maxAttempts: 2, windowNs: 30_000_000_000n, delayNs: 0n }));
  for (let failure = 0; failure < 4; failure++) {
    await world.end(world.running()[0]!.id);
    await world.advance(20_000, 1_000);
    expect(world.running()).toHaveLength(1);
  }
  await world.end(world.running()[0]!.id);
  await world.advance(1_000);
  await world.end(world.running()[0]!.id);
  await world.advance(20_000, 1_000);
  expect(world.live()).toEqual([]);
});

test("a task whose node is gone is replaced although nobody can say that it stopped", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await world.lead();
  await world.create(policy({ delayNs: 0n }));
  await world.removeNode("node1");
  expect(world.running().filter((task) => task.nodeId === "node2")).toHaveLength(1);
});

test("of a slot's tasks the one that was made last is the newest, also when the clock was set back in between, or another manager's is late", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(policy({ condition: "on_failure", delayNs: 0n }));
  const first = world.tasks()[0]!;
  world.clock.set(-3_600_000);
  await world.end(first.id);
  await world.advance(1_000);
  const second = world.running()[0]!;
  expect(second.meta!.createdAtMs).toBeLessThan(first.meta!.createdAtMs);
  await world.end(second.id, "complete");
  await world.advance(10_000);
  expect(states(world).toSorted()).toEqual(["shutdown/complete", "shutdown/failed"]);
});
