import { afterEach, expect, test } from "vitest";
import type { ServiceSpec } from "../../../src/model/objects.js";
import { ENTRY_BYTES_MAX } from "../../../src/replica/proposals.js";
import { roughBytes } from "../../../src/store/object-size.js";
import { ManagerWorld } from "../../support/manager-world.js";
import { replicated, testTask } from "../../support/services.js";
import { taskSpec } from "../../support/tasks.js";

/** No less than the largest entry that the leader's loops asked for. */
function largestWrite(cluster: ManagerWorld): number {
  return Math.max(...cluster.proposer.committed.map(({ changes }) => roughBytes(changes)));
}

const filler = (bytes: number): Partial<ServiceSpec> => ({ labels: { filler: "x".repeat(bytes) } });
let cluster: ManagerWorld;
afterEach(() => cluster[Symbol.asyncDispose]());

test.each([
  [300_000, 12],
  [1_399_000, 3],
])("a service of %i bytes comes up, is scaled down, and goes", async (bytes, replicas) => {
  cluster = new ManagerWorld(["n1", "n2"]);
  await cluster.lead();
  await cluster.connect("n1", "n2");
  const service = await cluster.create({ ...filler(bytes), ...replicated(replicas) });
  await cluster.advance(2_000);
  expect(cluster.tasks().filter((task) => task.status?.state === "running").length).toBe(replicas);
  await cluster.manager.control.execute({ type: "removeService", removeService: { serviceId: service.id } });
  await cluster.advance(20_000);
  expect(cluster.tasks()).toEqual([]);
  expect(largestWrite(cluster)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
});

test("a service above the limit is refused, alone or with the spec before it", async () => {
  cluster = new ManagerWorld();
  await cluster.settle();
  await expect(cluster.create({ name: "big", ...filler(1_400_000) })).rejects.toMatchObject({
    code: "out_of_range",
    message: expect.stringMatching(/^service big of 1400\d\d\d bytes is larger than the limit of 1400000 bytes$/),
  });
  const service = await cluster.create({ name: "web", ...filler(700_000) });
  const update = {
    serviceId: service.id,
    version: service.meta!.version,
    spec: { ...service.spec!, ...filler(700_001) },
    rollback: "none",
    registryAuthSource: "spec",
  } as const;
  await expect(cluster.manager.control.execute({ type: "updateService", updateService: update })).rejects.toMatchObject({
    message: expect.stringMatching(/^service web of 1400\d\d\d bytes, the spec before this one included, is larger than the limit of 1400000 bytes$/),
  });
  expect(cluster.service(service.id)).toEqual(service);
});

test("a node with many tasks is removed in many transactions, the last of which removes it", async () => {
  cluster = new ManagerWorld(["n1"]);
  await cluster.settle();
  const ids = Array.from({ length: 1_000 }, (_, at) => `t${at}`);
  await cluster.store.batch(ids, (tx, id) => tx.create("task", testTask(id, { nodeId: "n1", serviceId: "", labels: { filler: "x".repeat(10_000) } })));
  const before = cluster.proposer.committed.length;
  await cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId: "n1", force: true } });
  const written = cluster.proposer.committed.slice(before);
  expect(written.length).toBeGreaterThan(7);
  expect(written.map(({ changes }) => changes.some((change) => change.type === "remove")).indexOf(true)).toBe(written.length - 1);
  expect(cluster.tasks().filter((task) => task.status?.state !== "orphaned")).toEqual([]);
  expect(largestWrite(cluster)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
});

test("a node that runs many tasks is removed by force, and gets no new ones in place of those", async () => {
  cluster = new ManagerWorld(["n1"]);
  await cluster.lead();
  await cluster.connect("n1");
  await cluster.create({ ...filler(100_000), ...replicated(1000) });
  await cluster.advance(2_000);
  expect(cluster.spread()).toEqual({ n1: 1000 });
  cluster.proposer.hold();
  const removed = cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId: "n1", force: true } });
  // Commits take their time, so that the leader's loops go on meanwhile.
  while (cluster.store.view.nodes.get("n1") !== undefined) {
    await cluster.proposer.release(1);
    await cluster.settle();
  }
  await cluster.proposer.release();
  await removed;
  expect(cluster.tasks().filter((task) => task.nodeId === "n1" && task.status?.state !== "orphaned")).toEqual([]);
  expect(largestWrite(cluster)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
});

test.each([800_000, 400_000])("tasks of %i bytes are restarted, updated, and go with their history", async (bytes) => {
  cluster = new ManagerWorld(["n1", "n2"]);
  await cluster.lead();
  await cluster.connect("n1", "n2");
  const restart = { condition: "any", delayNs: 1_000_000_000n, maxAttempts: 0, windowNs: 0n } as const;
  const service = await cluster.create({ task: taskSpec({ env: [`FILLER=${"x".repeat(bytes)}`] }, { restart }), ...replicated(1) });
  const running = () => cluster.tasks().filter((task) => task.status?.state === "running" && task.desiredState === "running");
  for (let failures = 1; failures <= 3; failures++) {
    const [task] = running();
    await cluster.write((tx) => tx.update("task", { ...task!, status: { ...task!.status!, state: "failed" } }));
    await cluster.advance(3_000);
    expect(running().map(({ id }) => id)).not.toContain(task!.id);
    expect(running()).toHaveLength(1);
  }
  const change = async (spec: Partial<ServiceSpec>) => {
    const { meta, spec: before } = cluster.service(service.id);
    const updated = { ...before!, ...spec };
    await cluster.manager.control.execute({
      type: "updateService",
      updateService: { serviceId: service.id, version: meta!.version, spec: updated, rollback: "none", registryAuthSource: "spec" },
    });
    await cluster.advance(10_000);
  };
  await change({ task: taskSpec({ env: ["FILLER="] }, { restart }) });
  expect(running().map(({ spec }) => spec?.container?.env)).toEqual([["FILLER="]]);
  expect(cluster.tasks()).toHaveLength(5);
  await change(replicated(0));
  expect(cluster.tasks()).toEqual([]);
  expect(largestWrite(cluster)).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
});
