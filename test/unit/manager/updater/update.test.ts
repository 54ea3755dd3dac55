import { expect, test } from "vitest";
import { removeNode } from "../../../../src/manager/control/node-removal.js";
import type { Task, UpdateConfig } from "../../../../src/model/objects.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { global, replicated } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const settings = (change: Partial<UpdateConfig>): { update: UpdateConfig } => ({
  update: { parallelism: 1, delayNs: 0n, failureAction: "pause", monitorNs: 0n, maxFailureRatio: 0, order: "stop_first", ...change },
});
const seconds = (count: number) => BigInt(count) * 1_000_000_000n;
const imageOf = (task: Task) => task.spec?.container?.image;
const status = (world: ServiceWorld) => world.service().updateStatus?.state;
const failing = (image: string) => (task: Task) => (imageOf(task) === image ? "fail" : "run") as "fail" | "run";

/** The most slots at a time that did not have a running task, seen after every transaction. */
function watchMissing(world: ServiceWorld, replicas: number): () => number {
  let worst = 0;
  world.store.watch(() => {
    const running = new Set(world.running().map((task) => task.slot));
    worst = Math.max(worst, replicas - running.size);
  });
  return () => worst;
}

test("the default update replaces slot by slot, watches for 5 s, and says so", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.stopMs = 1_000;
  const missing = watchMissing(world, 3);
  const startedAtMs = world.clock.now();
  await world.updateImage("bb:v2");
  expect(world.service().updateStatus).toEqual({ state: "updating", startedAtMs, completedAtMs: 0, message: "update in progress" });
  await world.advance(3_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
  expect(missing()).toBe(1);
  await world.advance(4_900);
  expect(status(world)).toBe("updating");
  await world.advance(200);
  expect(world.service().updateStatus).toMatchObject({ state: "completed", startedAtMs, message: "update completed" });
  expect(world.service().updateStatus?.completedAtMs).toBeGreaterThanOrEqual(startedAtMs + 8_000);
});

test.each([
  [1, 6],
  [2, 3],
  [4, 2],
  [0, 1],
])("with parallelism %d six slots take %d rounds of stopping", async (parallelism, rounds) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(6), ...settings({ parallelism }) });
  world.stopMs = 1_000;
  const missing = watchMissing(world, 6);
  await world.updateImage("bb:v2");
  await world.advance(rounds * 1_000 - 100);
  expect(world.images()).toContain("bb:v1");
  await world.advance(200);
  expect(world.images()).toEqual(Array(6).fill("bb:v2"));
  expect(missing()).toBe(parallelism === 0 ? 6 : parallelism);
});

test("the delay comes after a new task runs, and makes the monitoring period longer than itself", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ delayNs: seconds(10) }) });
  await world.updateImage("bb:v2");
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(1);
  await world.advance(9_900);
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(1);
  await world.advance(100);
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(2);
  await world.advance(20_900);
  expect(status(world)).toBe("updating");
  await world.advance(200);
  expect(status(world)).toBe("completed");
});

test("start-first never leaves a slot without a running task", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ order: "start_first" }) });
  const missing = watchMissing(world, 3);
  await world.updateImage("bb:v2");
  await world.advance(6_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
  expect(missing()).toBe(0);
  expect(status(world)).toBe("completed");
  expect(world.live()).toHaveLength(3);
});

test("stop-first never runs two tasks in one slot", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ parallelism: 0 }) });
  world.stopMs = 2_000;
  let most = 0;
  world.store.watch(() => {
    for (const slot of [1, 2, 3]) most = Math.max(most, world.running().filter((task) => task.slot === slot).length);
  });
  await world.updateImage("bb:v2");
  await world.advance(3_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
  expect(most).toBe(1);
});

test("stop-first waits for the old task for a minute at most", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(1));
  world.stopMs = 600_000;
  await world.updateImage("bb:v2");
  await world.advance(59_900);
  expect(world.images()).toEqual(["bb:v1"]);
  await world.advance(100);
  expect(world.images()).toEqual(["bb:v1", "bb:v2"]);
});

test("a new task that cannot start holds the update without a limit", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.fate = (task) => (imageOf(task) === "bb:v2" ? "stuck" : "run");
  await world.updateImage("bb:v2");
  await world.advance(600_000, 10_000);
  expect(world.images()).toEqual(["bb:v1", "bb:v1"]);
  expect(status(world)).toBe("updating");
  world.fate = () => "run";
  await world.advance(6_000);
  expect(status(world)).toBe("completed");
});

test.each(["fail", "complete", "reject"] as const)("by default an update pauses when a new task meets the fate %s", async (fate) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.fate = (task) => (imageOf(task) === "bb:v2" ? fate : "run");
  await world.updateImage("bb:v2");
  const failed = world.tasks().find((task) => imageOf(task) === "bb:v2");
  expect(world.service().updateStatus).toMatchObject({
    state: "paused",
    completedAtMs: 0,
    message: `update paused due to failure or early termination of task ${failed?.id}`,
  });
  await world.advance(60_000, 1_000);
  expect(world.images()).toEqual(["bb:v1", "bb:v1"]);
  expect(status(world)).toBe("paused");
});

test("a task that fails within the monitoring period pauses the update, one that fails later does not", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(2), ...settings({ delayNs: seconds(2), monitorNs: seconds(5) }) });
  await world.updateImage("bb:v2");
  await world.advance(4_000);
  await world.end(world.running()[0]!.id);
  expect(status(world)).toBe("paused");

  await world.updateImage("bb:v3");
  await world.advance(12_000);
  expect(status(world)).toBe("completed");
  await world.end(world.running()[0]!.id);
  await world.advance(1_000);
  expect(status(world)).toBe("completed");
});

test("a long update does not mind a task that fails after its monitoring period", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ delayNs: seconds(4) }) });
  await world.updateImage("bb:v2");
  await world.advance(8_000);
  await world.end(world.running().find((task) => task.slot === 1)!.id);
  await world.advance(20_000);
  expect(status(world)).toBe("completed");
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2", "bb:v2"]);
});

test("a paused update goes on with the next service update, whatever that changes", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.fate = failing("bb:v2");
  await world.updateImage("bb:v2");
  expect(status(world)).toBe("paused");
  world.fate = () => "run";
  await world.update(() => ({ labels: { go: "on" } }));
  await world.advance(12_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
  expect(status(world)).toBe("completed");
});

test("scaling works while an update is paused", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.fate = failing("bb:v2");
  await world.updateImage("bb:v2");
  world.fate = () => "run";
  await world.advance(10_000);
  expect(world.running()).toHaveLength(3);
});

test.each([
  [0.3, "paused"],
  [0.5, "completed"],
] as const)("with a failure ratio of %d and half the slots failing the update is %s", async (maxFailureRatio, state) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ maxFailureRatio }) });
  world.fate = (task) => (imageOf(task) === "bb:v2" && task.slot <= 2 && task.startDelayMs === undefined ? "fail" : "run");
  await world.updateImage("bb:v2");
  await world.advance(20_000);
  expect(status(world)).toBe(state);
});

test("with failure action continue every slot is updated however the tasks fare", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ failureAction: "continue" }) });
  world.fate = failing("bb:v2");
  await world.updateImage("bb:v2");
  await world.advance(20_000);
  expect(status(world)).toBe("completed");
  expect(new Set(world.live().map(imageOf))).toEqual(new Set(["bb:v2"]));
});

test("failure action rollback brings the previous spec back, as a client's write, and leaves no way further back", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ failureAction: "rollback" }) });
  world.fate = failing("bb:v2");
  await world.updateImage("bb:v2");
  const failed = world.tasks().find((task) => imageOf(task) === "bb:v2");
  const { updateStatus, meta } = world.service();
  const version = world.proposer.committed.findIndex(({ changes }) => changes.some((change) => change.type === "update" && change.clientWrite)) + 1;
  expect(updateStatus).toMatchObject({
    state: "rollback_started",
    message: `update rolled back due to failure or early termination of task ${failed?.id}`,
  });
  expect(meta?.version).toBeGreaterThan(version!);
  expect(world.service()).toMatchObject({ previousSpec: null, specVersion: 3 });
  await world.advance(7_000);
  expect(world.images()).toEqual(["bb:v1", "bb:v1", "bb:v1"]);
  expect(world.service().updateStatus).toMatchObject({ state: "rollback_completed", message: "rollback completed" });
  expect(world.tasks().filter((task) => imageOf(task) === "bb:v1" && task.slot > 1)).toHaveLength(2);
});

test("a rollback that fails pauses", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  const rollback = settings({ failureAction: "rollback" }).update;
  await world.create({ ...replicated(2), ...settings({ failureAction: "rollback" }), rollback });
  world.fate = (task) => (task.replacesTaskId === undefined ? "run" : "fail");
  await world.updateImage("bb:v2");
  expect(world.service().updateStatus?.state).toBe("rollback_paused");
  expect(world.service().updateStatus?.message).toMatch(/^rollback paused due to failure or early termination of task \w{25}$/);
  await world.advance(30_000, 1_000);
  expect(world.service().updateStatus?.state).toBe("rollback_paused");
});

test("a new update cancels one that is under way", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ delayNs: seconds(3) }) });
  await world.updateImage("bb:v2");
  await world.advance(4_000);
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(2);
  await world.updateImage("bb:v3");
  expect(status(world)).toBe("updating");
  await world.advance(20_000);
  expect(world.images()).toEqual(Array(4).fill("bb:v3"));
  expect(status(world)).toBe("completed");
});

test("an identical spec in the middle of an update changes nothing about where it goes", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ delayNs: seconds(3) }) });
  await world.updateImage("bb:v2");
  await world.advance(4_000);
  const updated = world.running().filter((task) => imageOf(task) === "bb:v2");
  await world.updateImage("bb:v2");
  await world.advance(20_000);
  expect(world.images()).toEqual(Array(4).fill("bb:v2"));
  expect(world.running()).toEqual(expect.arrayContaining(updated.map((task) => expect.objectContaining({ id: task.id }))));
  expect(world.tasks()).toHaveLength(8);
  expect(status(world)).toBe("completed");
});

test("going back to the first image in the middle of an update replaces only what was updated", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ delayNs: seconds(3) }) });
  const [, , third, fourth] = world.tasks();
  await world.updateImage("bb:v2");
  await world.advance(4_000);
  await world.updateImage("bb:v1");
  await world.advance(20_000);
  expect(world.running().map((task) => task.id)).toEqual(expect.arrayContaining([third?.id, fourth?.id]));
  expect(world.images()).toEqual(Array(4).fill("bb:v1"));
});

test("a new leader goes on with an update, and keeps to parallelism and monitoring", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(4), ...settings({ delayNs: seconds(3) }) });
  const missing = watchMissing(world, 4);
  await world.updateImage("bb:v2");
  await world.advance(4_000);
  await world.depose();
  await world.advance(30_000, 1_000);
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(2);
  await world.lead();
  expect(world.images().filter((image) => image === "bb:v2")).toHaveLength(3);
  await world.advance(3_000);
  expect(world.images()).toEqual(Array(4).fill("bb:v2"));
  await world.advance(4_800);
  expect(status(world)).toBe("updating");
  await world.advance(400);
  expect(status(world)).toBe("completed");
  expect(missing()).toBeLessThanOrEqual(1);
});

test("a task that failed between two leaders pauses the update", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ delayNs: seconds(2) }) });
  await world.updateImage("bb:v2");
  await world.depose();
  await world.end(world.running().find((task) => imageOf(task) === "bb:v2")!.id);
  await world.lead();
  expect(status(world)).toBe("paused");
});

test.each(["stop_first", "start_first"] as const)("a leader change in the middle of a slot, %s", async (order) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(2), ...settings({ order }) });
  world.fate = (task) => (imageOf(task) === "bb:v2" ? "stuck" : "run");
  world.stopMs = 1_000;
  await world.updateImage("bb:v2");
  await world.depose();
  world.fate = () => "run";
  await world.lead();
  await world.advance(10_000);
  expect(world.images()).toEqual(["bb:v2", "bb:v2"]);
  expect(world.live()).toHaveLength(2);
  expect(status(world)).toBe("completed");
});

test("an update and a change of replicas at once", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(4));
  await world.update((spec) => ({ ...replicated(6), task: { ...spec.task!, forceUpdate: 1 } }));
  await world.advance(6_000);
  expect(world.running()).toHaveLength(6);
  expect(new Set(world.running().map((task) => task.spec?.forceUpdate))).toEqual(new Set([1]));
  expect(status(world)).toBe("completed");
  await world.update((spec) => ({ ...replicated(2), task: { ...spec.task!, forceUpdate: 2 } }));
  await world.advance(6_000);
  expect(world.running().map((task) => task.spec?.forceUpdate)).toEqual([2, 2]);
  expect(world.tasks().every((task) => task.desiredState !== "remove")).toBe(true);
});

test("a drain in the middle of an update is no failure of it", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ delayNs: seconds(2) }) });
  await world.updateImage("bb:v2");
  await world.setNode(world.running().find((task) => imageOf(task) === "bb:v2")!.nodeId, { availability: "drain" });
  await world.advance(20_000);
  expect(status(world)).toBe("completed");
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
});

test("a published port changes tasks; a global service updates node by node", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(global);
  world.stopMs = 1_000;
  await world.update(() => ({ endpoint: { mode: "vip", ports: [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" }] } }));
  expect(status(world)).toBe("updating");
  expect(world.tasks().filter((task) => task.desiredState === "shutdown")).toHaveLength(1);
  await world.advance(9_000);
  expect(status(world)).toBe("completed");
  expect(world.running().map((task) => task.endpoint?.ports[0]?.publishedPort)).toEqual([8080, 8080, 8080]);
});

test("a manual rollback that finds everything as it was completes at once", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(2));
  const before = world.tasks();
  await world.write((tx) => {
    const service = tx.services.get("service1")!;
    const updateStatus = { state: "rollback_started", startedAtMs: world.clock.now(), completedAtMs: 0, message: "manually requested rollback" } as const;
    tx.update("service", { ...service, specVersion: 2, updateStatus }, { isClientWrite: true });
  });
  await world.settle();
  expect(status(world)).toBe("rollback_completed");
  expect(world.tasks()).toEqual(before);
});

test("an old task that no node ever had does not hold up the new one", async () => {
  await using world = new ServiceWorld(["node1"]);
  await world.lead();
  await world.setNode("node1", { availability: "pause" });
  await world.create();
  expect(world.tasks()[0]?.status?.state).toBe("pending");
  await world.updateImage("bb:v2");
  await world.setNode("node1", { availability: "active" });
  expect(world.images()).toEqual(["bb:v2"]);
});

test("a task that was moved before it ran holds the update until its replacement runs", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(3));
  world.fate = (task) => (imageOf(task) === "bb:v2" ? "stuck" : "run");
  await world.updateImage("bb:v2");
  await world.setNode(world.live().find((task) => imageOf(task) === "bb:v2")!.nodeId, { availability: "drain" });
  await world.advance(30_000, 1_000);
  expect(world.live().filter((task) => imageOf(task) === "bb:v2" && task.startDelayMs === undefined)).toEqual([]);
  expect(world.images().filter((image) => image === "bb:v1")).toHaveLength(2);
  world.fate = () => "run";
  await world.advance(10_000);
  expect(status(world)).toBe("completed");
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
});

test("a task that is lost with its node long after it began to run is no failure of the update", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(3), ...settings({ delayNs: seconds(60), monitorNs: seconds(70) }) });
  await world.updateImage("bb:v2");
  await world.advance(130_000, 1_000);
  const lost = world.running().find((task) => imageOf(task) === "bb:v2" && task.slot === 1)!;
  await world.write((tx) => removeNode(tx, tx.nodes.get(lost.nodeId)!, world.clock.now()));
  await world.settle();
  expect(status(world)).toBe("updating");
  await world.advance(180_000, 1_000);
  expect(status(world)).toBe("completed");
  expect(world.images()).toEqual(["bb:v2", "bb:v2", "bb:v2"]);
});

test.each(["run", "fail"] as const)("how an update goes on moves no version that clients write against, %s", async (fate) => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create(replicated(2));
  world.fate = (task) => (imageOf(task) === "bb:v2" ? fate : "run");
  const versions = new Set<number | undefined>();
  const states = new Set<string | undefined>();
  world.store.watch((events) => {
    for (const event of events) if (event.kind === "service") versions.add(event.object.meta?.version) && states.add(event.object.updateStatus?.state);
  });
  await world.updateImage("bb:v2");
  await world.advance(10_000);
  expect([...states]).toEqual([undefined, "updating", fate === "run" ? "completed" : "paused"]);
  expect(versions.size).toBe(1);
});

test("with start-first and failure action continue a new task that failed is tried again beside the old one", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(1), ...settings({ order: "start_first", failureAction: "continue" }) });
  world.fate = failing("bb:v2");
  await world.updateImage("bb:v2");
  await world.advance(10_000);
  expect(world.images()).toEqual(["bb:v1"]);
  world.fate = () => "run";
  await world.advance(20_000);
  expect(world.images()).toEqual(["bb:v2"]);
  expect(status(world)).toBe("completed");
});

test.each([
  ["none", 0, 1],
  ["on_failure", 2, 3],
] as const)(
  "with start-first a new task that fails for good under its policy (%s, %d attempts) is tried once in each update",
  async (condition, maxAttempts, tries) => {
    await using world = new ServiceWorld();
    await world.lead();
    const task = taskSpec({}, { restart: { condition, maxAttempts, windowNs: 0n, delayNs: seconds(1) } });
    await world.create({ ...replicated(2), ...settings({ order: "start_first", maxFailureRatio: 0.5 }), task });
    const made: string[] = [];
    world.store.watch((events) => made.push(...events.flatMap((event) => (event.kind === "task" && event.action === "create" ? [event.object.id] : []))));
    world.fate = (each) => (imageOf(each) === "bb:v2" && each.slot === 1 ? "fail" : "run");
    await world.updateImage("bb:v2");
    await world.advance(20_000);
    expect(made).toHaveLength(tries + 1);
    expect(world.live().map((each) => `${each.slot} ${imageOf(each)}`)).toEqual(["1 bb:v1", "2 bb:v2"]);
    expect(status(world)).toBe("completed");
    await world.depose();
    await world.lead();
    await world.advance(20_000);
    expect(made).toHaveLength(tries + 1);
    world.fate = () => "run";
    await world.update((spec) => ({ labels: { ...spec.labels, again: "yes" } }));
    await world.advance(20_000);
    expect(world.images()).toEqual(["bb:v2", "bb:v2"]);
    expect(status(world)).toBe("completed");
  },
);

test("with start-first a paused update leaves no slot with two tasks that run", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(2), ...settings({ order: "start_first", parallelism: 2 }) });
  world.fate = (task) => (imageOf(task) !== "bb:v2" ? "run" : task.slot === 1 ? "fail" : "stuck");
  await world.updateImage("bb:v2");
  expect(status(world)).toBe("paused");
  world.fate = (task) => (imageOf(task) === "bb:v2" && task.slot === 1 ? "fail" : "run");
  await world.advance(20_000);
  expect(world.running().map((task) => `${task.slot} ${imageOf(task)}`)).toEqual(["1 bb:v1", "2 bb:v2"]);
  world.fate = () => "run";
  await world.advance(20_000);
  expect(world.running().map((task) => `${task.slot} ${imageOf(task)}`)).toEqual(["1 bb:v2", "2 bb:v2"]);
  expect(status(world)).toBe("paused");
});

test("a new task that was called off before it ran, and under its policy has no successor, does not hold the update", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create({ ...replicated(2), task: taskSpec({}, { restart: { condition: "none", maxAttempts: 0, windowNs: 0n } }) });
  world.fate = (task) => (imageOf(task) === "bb:v2" ? "stuck" : "run");
  await world.updateImage("bb:v2");
  await world.setNode(world.live().find((task) => imageOf(task) === "bb:v2")!.nodeId, { availability: "drain" });
  world.fate = () => "run";
  await world.advance(20_000);
  expect(status(world)).toBe("completed");
  expect(world.live().map(imageOf)).toEqual(["bb:v2"]);
});
