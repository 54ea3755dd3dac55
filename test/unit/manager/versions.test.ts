import { afterEach, beforeEach, expect, test } from "vitest";
import type { ClusterSpec, NodeSpec, ServiceSpec } from "../../../src/model/objects.js";
import { ManagerWorld } from "../../support/manager-world.js";
import { replicated } from "../../support/services.js";

/** Version.Index: the index of the last client write, moved by nothing else (architecture, section 3). */
let cluster: ManagerWorld;
let serviceId: string;

beforeEach(async () => {
  cluster = new ManagerWorld(["n1", "n2"]);
  await cluster.lead();
  await cluster.connect("n1", "n2");
  serviceId = (await cluster.create(replicated(2))).id;
  await cluster.advance(2_000);
});
afterEach(() => cluster[Symbol.asyncDispose]());

const versions = () => ({
  cluster: cluster.store.view.cluster!.meta!.version,
  node: cluster.node("n1").meta!.version,
  service: cluster.service(serviceId).meta!.version,
});
const execute = (request: Parameters<typeof cluster.manager.control.execute>[0]) => cluster.manager.control.execute(request);
const updateCluster = (spec: ClusterSpec, rotateWorkerToken = false) =>
  execute({
    type: "updateCluster",
    updateCluster: { ...NO_ROTATION, version: versions().cluster, spec, rotateWorkerToken },
  });
const NO_ROTATION = { rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false, rotateDataKeys: false };
const updateService = (spec: ServiceSpec | null, rollback: "none" | "previous" = "none") =>
  execute({ type: "updateService", updateService: { serviceId, version: versions().service, spec, rollback, registryAuthSource: "spec" } });
const updateNode = (change: Partial<NodeSpec>) =>
  execute({ type: "updateNode", updateNode: { nodeId: "n1", version: versions().node, spec: { ...cluster.node("n1").spec!, ...change } } });
const spec = () => cluster.service(serviceId).spec!;
const forced = () => ({ ...spec(), task: { ...spec().task!, forceUpdate: spec().task!.forceUpdate + 1 } });

test.each<[string, keyof ReturnType<typeof versions>, () => Promise<unknown>]>([
  ["an identical spec of the cluster", "cluster", () => updateCluster(cluster.store.view.cluster!.spec!)],
  ["a rotated token", "cluster", () => updateCluster(cluster.store.view.cluster!.spec!, true)],
  ["an identical spec of a node", "node", () => updateNode({})],
  ["a node's availability", "node", () => updateNode({ availability: "pause" })],
  ["an identical spec of a service", "service", () => updateService(spec())],
  ["a forced update", "service", () => updateService(forced())],
  [
    "a rollback",
    "service",
    async () => {
      await updateService(forced());
      await updateService(null, "previous");
    },
  ],
])("%s moves the version of its object, and of no other", async (_what, moved, write) => {
  const before = versions();
  await write();
  // What follows of it, tasks and the status of an update, moves nothing more.
  const after = versions();
  await cluster.advance(30_000);
  expect(versions()).toEqual(after);
  expect(after).toEqual({ ...before, [moved]: after[moved] });
  expect(after[moved]).toBeGreaterThan(before[moved]);
});

test("nothing that the cluster does by itself moves a version, and clients' updates stay in sequence", async () => {
  const before = versions();
  await cluster.disconnect("n1");
  await cluster.advance(60_000);
  expect(cluster.node("n1").status?.state).toBe("down");
  await cluster.connect("n1");
  await cluster.advance(10_000);
  await cluster.depose();
  await cluster.lead();
  await cluster.advance(10_000);
  expect(versions()).toEqual(before);
  await updateNode({ labels: { a: "b" } });
});

test("no two writes of clients have the same version, whatever they are to", async () => {
  const seen: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (const [kind, write] of [
      ["service", () => updateService(forced())],
      ["node", () => updateNode({ labels: { round: String(round) } })],
      ["cluster", () => updateCluster(cluster.store.view.cluster!.spec!)],
    ] as const) {
      await write();
      seen.push(versions()[kind]);
    }
  }
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
});

test("while a client's write is pending no number that a client can send is the version", async () => {
  const first = updateService(spec());
  const guesses = [versions().service, 0, Number.MAX_SAFE_INTEGER].map((version) =>
    execute({ type: "updateService", updateService: { serviceId, version, spec: spec(), rollback: "none", registryAuthSource: "spec" } }).then(
      () => "accepted",
      (cause: { code: string }) => cause.code,
    ),
  );
  expect(await Promise.all(guesses)).toEqual(["conflict", "conflict", "conflict"]);
  await first;
});
