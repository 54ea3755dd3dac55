import { expect, test } from "vitest";
import { FakeClock } from "../../../../src/base/clock.js";
import { TaskReaper } from "../../../../src/manager/reaper/task-reaper.js";
import { Store } from "../../../../src/store/store.js";
import { MemoryProposer } from "../../../support/memory-proposer.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { global, replicated, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const restart = (maxAttempts: number, delayNs = 0n) => ({ task: taskSpec({}, { restart: { condition: "any" as const, delayNs, maxAttempts, windowNs: 0n } }) });

async function setLimit(world: ServiceWorld, limit: bigint): Promise<void> {
  await world.write((tx) => tx.update("cluster", { ...tx.cluster!, spec: { ...tx.cluster!.spec!, taskHistoryRetentionLimit: limit } }));
  await world.settle();
}

async function failTimes(world: ServiceWorld, count: number): Promise<void> {
  for (let failure = 0; failure < count; failure++) {
    await world.end(world.running()[0]!.id);
    await world.advance(1_000, 500);
  }
}

test.each([
  [5n, 5],
  [2n, 2],
  [1n, 1],
  [0n, 1],
  [-1n, 9],
])("with a limit of %d a slot that failed 8 times keeps %d tasks, the live one included", async (limit, kept) => {
  await using world = new ServiceWorld();
  await setLimit(world, limit);
  await world.lead();
  await world.create(restart(0));
  const first = world.tasks()[0]!;
  await failTimes(world, 8);
  expect(world.tasks()).toHaveLength(kept);
  expect(world.running()).toHaveLength(1);
  expect(world.tasks().some((task) => task.id === first.id)).toBe(kept === 9);
});

test.each([1, 3])("a limit of %d attempts keeps what is needed to count them, also with a smaller history limit", async (attempts) => {
  await using world = new ServiceWorld();
  await setLimit(world, 1n);
  const made: string[] = [];
  world.store.watch((events) => made.push(...events.flatMap(({ kind, action, object }) => (kind === "task" && action === "create" ? [object.id] : []))));
  await world.lead();
  world.fate = () => "fail";
  // Longer than the reaper waits, so that it sees each of them.
  await world.create(restart(attempts, 1_000_000_000n));
  await world.advance(20_000, 500);
  expect(made).toHaveLength(attempts + 1);
  expect(world.tasks().map(({ id }) => id)).toEqual(made);
  expect(world.live()).toEqual([]);
});

test("a slot that rests is not forgotten, so that it is not filled again", async () => {
  await using world = new ServiceWorld();
  await setLimit(world, 0n);
  world.fate = () => "complete";
  await world.lead();
  await world.create({ task: taskSpec({}, { restart: { condition: "none", maxAttempts: 0, windowNs: 0n } }) });
  await world.advance(10_000, 500);
  expect(world.tasks().map((task) => task.status?.state)).toEqual(["complete"]);
});

test("a task that is still stopping counts and stays", async () => {
  await using world = new ServiceWorld();
  await setLimit(world, 1n);
  await world.lead();
  await world.create();
  world.stopMs = 120_000;
  await world.updateImage("bb:v2");
  await world.advance(90_000, 1_000);
  expect(world.tasks()).toHaveLength(2);
  await world.advance(31_000, 1_000);
  expect(world.tasks()).toHaveLength(1);
});

test("the last task of a slot stays although an older one is still stopping", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await setLimit(world, 1n);
  await world.lead();
  await world.create({ task: taskSpec({}, { restart: { condition: "on_failure", maxAttempts: 0, windowNs: 0n } }) });
  world.stopMs = 120_000;
  world.fate = () => "complete";
  await world.setNode("node1", { availability: "drain" });
  await world.advance(70_000, 1_000);
  const last = world.tasks()[1]?.id;
  expect(world.tasks().map((task) => task.status?.state)).toEqual(["running", "complete"]);
  await world.advance(80_000, 1_000);
  expect(world.tasks().map((task) => [task.id, task.status?.state])).toEqual([[last, "complete"]]);
});

test("global services keep history per node", async () => {
  await using world = new ServiceWorld(["node1", "node2"]);
  await setLimit(world, 2n);
  await world.lead();
  await world.create({ ...global, ...restart(0) });
  await failTimes(world, 4);
  expect(world.tasks().filter((task) => task.nodeId === "node1").length).toBeLessThanOrEqual(2);
  expect(world.tasks().filter((task) => task.nodeId === "node2").length).toBeLessThanOrEqual(2);
});

test("a lower limit is applied to what is there", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(restart(0));
  await failTimes(world, 4);
  expect(world.tasks()).toHaveLength(5);
  await setLimit(world, 2n);
  await world.advance(500);
  expect(world.tasks()).toHaveLength(2);
});

test("orphans without a service go at once, those of a service stay as history", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create();
  await world.write((tx) => {
    tx.create("task", testTask("lonely", { serviceId: "", state: "orphaned" }));
    tx.create("task", testTask("stopped", { serviceId: "", state: "failed" }));
  });
  await world.end(world.tasks()[0]!.id, "orphaned");
  await world.advance(1_000);
  expect([...world.store.view.tasks.all()].map((task) => task.id)).not.toContain("lonely");
  expect(world.store.view.tasks.get("stopped")).toBeDefined();
  expect(world.tasks().map((task) => task.status?.state)).toContain("orphaned");
});

test("removed tasks of a node that is deleted do not wait for it", async () => {
  await using world = new ServiceWorld(["node1"]);
  await world.lead();
  await world.create(replicated(3));
  await world.setNode("node1", { state: "down" });
  await world.removeService();
  await world.advance(1_000);
  expect(world.tasks().length).toBeGreaterThan(0);
  await world.removeNode("node1");
  await world.advance(1_000);
  expect(world.tasks()).toEqual([]);
});

test("a thousand removed tasks are deleted in few transactions", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(1_000));
  await world.removeService();
  const mark = world.proposer.committed.length;
  await world.advance(500);
  expect(world.tasks()).toEqual([]);
  expect(world.proposer.committed.length - mark).toBe(5);
});

test("a long history of one slot is deleted in small transactions", async () => {
  await using world = new ServiceWorld();
  await setLimit(world, -1n);
  await world.lead();
  await world.create();
  const { serviceId } = world.tasks()[0]!;
  const ids = Array.from({ length: 1_000 }, (_, at) => `past${at}`);
  await world.store.batch(ids, (tx, id) => tx.create("task", testTask(id, { serviceId, slot: 1, state: "failed", desiredState: "shutdown" })));
  const mark = world.proposer.committed.length;
  await setLimit(world, 5n);
  await world.advance(500);
  expect(world.tasks()).toHaveLength(5);
  expect(Math.max(...world.proposer.committed.slice(mark).map(({ changes }) => changes.length))).toBe(200);
});

test("a new leader deletes what was left to delete", async () => {
  await using world = new ServiceWorld();
  await setLimit(world, 1n);
  await world.create();
  await world.write((tx) => {
    const service = tx.services.get("service1")!;
    tx.create("task", testTask("removed", { serviceId: service.id, slot: 7, state: "shutdown", desiredState: "remove" }));
    tx.create("task", testTask("past", { serviceId: service.id, slot: 1, state: "failed", desiredState: "shutdown", createdAtMs: 1 }));
    tx.create("task", testTask("present", { serviceId: service.id, slot: 1, nodeId: "node1", spec: service.spec!.task, specVersion: service.specVersion }));
  });
  await world.lead();
  await world.advance(500);
  expect(world.tasks().map(({ id }) => id)).toEqual(["present"]);
});

test("a deletion that is lost with the leadership ends the term", async () => {
  const store = new Store({ clock: new FakeClock() });
  const proposer = new MemoryProposer(store);
  const clock = new FakeClock();
  await store.update((tx) => tx.create("task", testTask("lonely", { serviceId: "", state: "orphaned" })) as undefined);
  const stop = new AbortController();
  const reaper = new TaskReaper({ store, clock });
  const run = reaper.run(stop.signal);
  proposer.hold();
  while (proposer.pending === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(250);
  }
  await Promise.all([proposer.fail(), expect(run).rejects.toMatchObject({ code: "outcome_unknown" })]);
});
