import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../../src/base/errors.js";
import { HAS_BEGUN } from "../../../../src/manager/control/later-part.js";
import { DEFAULT_CLUSTER_SPEC } from "../../../../src/model/defaults.js";
import type { Node, Service, ServiceSpec } from "../../../../src/model/objects.js";
import { ClusterCodec } from "../../../../src/wire/generated/objects.js";
import type { ControlReply, ControlRequest, UpdateCluster, UpdateService } from "../../../../src/wire/generated/control.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { nodeDescription } from "../../../support/node-description.js";
import { replicated, serviceSpec, testNode, testService, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

function manager(id: string): Node {
  return { ...testNode(id), spec: { name: "", labels: {}, role: "manager", availability: "active" }, role: "manager" };
}

async function world(...nodes: readonly (string | Node)[]): Promise<ManagerWorld> {
  const made = new ManagerWorld(nodes);
  await made.settle();
  return made;
}

async function refused(cluster: ManagerWorld, request: ControlRequest): Promise<Pick<ClusterError, "code" | "message">> {
  const revision = cluster.store.revision;
  const error: ClusterError = await cluster.manager.control.execute(request).then(
    (reply) => {
      throw new Error(`accepted with ${reply.type}`);
    },
    (cause: ClusterError) => cause,
  );
  expect(cluster.store.revision).toBe(revision);
  return { code: error.code, message: error.message };
}

async function service(cluster: ManagerWorld, spec: Partial<ServiceSpec> = {}): Promise<Service> {
  return serviceOf(cluster, await cluster.manager.control.execute({ type: "createService", createService: { spec: serviceSpec(spec) } }));
}

function serviceOf(cluster: ManagerWorld, reply: ControlReply): Service {
  if (reply.type !== "service") throw new Error(`reply of type ${reply.type}`);
  return cluster.service(reply.service.id);
}

const updateCluster = (cluster: ManagerWorld, change: Partial<UpdateCluster> = {}): ControlRequest => ({
  type: "updateCluster",
  updateCluster: {
    version: cluster.store.view.cluster!.meta!.version,
    spec: DEFAULT_CLUSTER_SPEC,
    rotateWorkerToken: false,
    rotateManagerToken: false,
    rotateUnlockKey: false,
    ...change,
  },
});
const updateService = (change: Partial<UpdateService>): ControlRequest => ({
  type: "updateService",
  updateService: { serviceId: "", version: 0, spec: null, rollback: "none", registryAuthSource: "spec", ...change },
});

describe("services", () => {
  test("a new one has a version and an id", async () => {
    const cluster = await world();
    const made = await service(cluster);
    expect(made).toMatchObject({ specVersion: 1, previousSpec: null, updateStatus: null, meta: { version: cluster.store.revision } });
    expect(made.id).toMatch(/^[0-9a-z]{25}$/);
  });

  test("names are unique, whatever their case", async () => {
    const cluster = await world();
    await service(cluster, { name: "web" });
    expect(await refused(cluster, { type: "createService", createService: { spec: serviceSpec({ name: "WEB" }) } })).toEqual({
      code: "already_exists",
      message: "name conflicts with an existing object: service WEB already exists",
    });
  });

  test("of two that are made at once with one name, one is refused", async () => {
    const cluster = await world();
    const outcomes = await Promise.allSettled([service(cluster, { name: "web" }), service(cluster, { name: "web" })]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  test("an update keeps the previous spec, moves the versions and ends the old update", async () => {
    const cluster = await world();
    const made = await service(cluster);
    await cluster.write((tx) =>
      tx.update("service", { ...made, updateStatus: { state: "paused", startedAtMs: 1, completedAtMs: 0, message: "" } }, { isClientWrite: false }),
    );
    const reply = await cluster.manager.control.execute(updateService({ serviceId: made.id, version: made.meta!.version, spec: serviceSpec(replicated(3)) }));
    const next = serviceOf(cluster, reply);
    expect(next).toMatchObject({ specVersion: 2, previousSpecVersion: 1, updateStatus: null, previousSpec: made.spec });
    expect(next.meta!.version).toBeGreaterThan(made.meta!.version);
  });

  test("an identical update still moves the version", async () => {
    const cluster = await world();
    const made = await service(cluster);
    const next = serviceOf(cluster, await cluster.manager.control.execute(updateService({ serviceId: made.id, version: made.meta!.version, spec: made.spec })));
    expect(next.meta!.version).toBeGreaterThan(made.meta!.version);
  });

  test("status writes do not move the version", async () => {
    const cluster = await world();
    const made = await service(cluster);
    await cluster.write((tx) => tx.update("service", { ...made, updateStatus: { state: "updating", startedAtMs: 1, completedAtMs: 0, message: "" } }));
    await cluster.manager.control.execute(updateService({ serviceId: made.id, version: made.meta!.version, spec: made.spec }));
  });

  test("rolling back swaps the specs, and twice returns", async () => {
    const cluster = await world();
    const one = await service(cluster, replicated(1));
    const two = serviceOf(
      cluster,
      await cluster.manager.control.execute(updateService({ serviceId: one.id, version: one.meta!.version, spec: serviceSpec(replicated(2)) })),
    );
    const back = serviceOf(
      cluster,
      await cluster.manager.control.execute(updateService({ serviceId: one.id, version: two.meta!.version, rollback: "previous" })),
    );
    expect(back).toMatchObject({
      spec: one.spec,
      previousSpec: two.spec,
      specVersion: 3,
      updateStatus: { state: "rollback_started", message: "manually requested rollback" },
    });
    const again = serviceOf(
      cluster,
      await cluster.manager.control.execute(updateService({ serviceId: one.id, version: back.meta!.version, rollback: "previous" })),
    );
    expect(again.spec).toEqual(two.spec);
  });

  test.each<["spec" | "previous_spec", string]>([
    ["spec", "second"],
    ["previous_spec", "first"],
  ])("without new registry credentials those of %s stay", async (registryAuthSource, expected) => {
    const cluster = await world();
    const withAuth = (registryAuth: string) => serviceSpec({ task: taskSpec({ registryAuth }) });
    const one = await service(cluster, withAuth("first"));
    const two = serviceOf(
      cluster,
      await cluster.manager.control.execute(updateService({ serviceId: one.id, version: one.meta!.version, spec: withAuth("second") })),
    );
    const three = serviceOf(
      cluster,
      await cluster.manager.control.execute(updateService({ serviceId: one.id, version: two.meta!.version, spec: withAuth(""), registryAuthSource })),
    );
    expect(three.spec?.task?.container?.registryAuth).toBe(expected);
  });

  test("what cannot be done to a service changes nothing", async () => {
    const cluster = await world();
    const made = await service(cluster);
    const right = { serviceId: made.id, version: made.meta!.version, spec: serviceSpec() };
    const cases: readonly (readonly [Partial<UpdateService>, string, string])[] = [
      [
        { version: made.meta!.version - 1 },
        "conflict",
        `update out of sequence: version ${made.meta!.version - 1} was given, and ${made.meta!.version} is the current one`,
      ],
      [{ serviceId: "nope" }, "not_found", "service nope not found"],
      [{ spec: serviceSpec({ name: "other" }) }, "unimplemented", "renaming services is not supported"],
      [{ spec: serviceSpec({ mode: { type: "global", global: {} } }) }, "unimplemented", "service mode change is not allowed"],
      [{ rollback: "previous" }, "failed_precondition", `service ${made.id} does not have a previous spec`],
      [{ spec: null }, "invalid_argument", "service spec must be given"],
    ];
    for (const [change, code, message] of cases) expect(await refused(cluster, updateService({ ...right, ...change }))).toEqual({ code, message });
  });

  test("a port that another service has through the mesh is taken", async () => {
    const cluster = await world();
    const ports = [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "ingress" }] as const;
    await cluster.write((tx) => tx.create("service", testService({ name: "old", endpoint: { mode: "vip", ports } }, { id: "old1" })));
    const spec = serviceSpec({ name: "new", endpoint: { mode: "vip", ports: [{ ...ports[0], publishMode: "host" }] } });
    expect(await refused(cluster, { type: "createService", createService: { spec } })).toEqual({
      code: "invalid_argument",
      message: "port '8080' is already in use by service 'old' (old1) as an ingress port",
    });
  });

  test("removal", async () => {
    const cluster = await world();
    const made = await service(cluster);
    expect(await cluster.manager.control.execute({ type: "removeService", removeService: { serviceId: made.id } })).toEqual({ type: "done", done: {} });
    expect(cluster.store.view.services.size).toBe(0);
    expect(await refused(cluster, { type: "removeService", removeService: { serviceId: made.id } })).toEqual({
      code: "not_found",
      message: `service ${made.id} not found`,
    });
  });
});

describe("nodes", () => {
  const update = (node: Node, change: Partial<Node["spec"]> = {}, version = node.meta!.version): ControlRequest => ({
    type: "updateNode",
    updateNode: { nodeId: node.id, version, spec: { ...node.spec!, ...change } },
  });

  test("labels and availability", async () => {
    const cluster = await world("n1");
    const reply = await cluster.manager.control.execute(update(cluster.node("n1"), { labels: { zone: "a" }, availability: "drain" }));
    expect(reply).toMatchObject({ type: "node", node: { spec: { labels: { zone: "a" }, availability: "drain" } } });
    expect(await refused(cluster, update(cluster.node("n1"), {}, 1_000))).toEqual({
      code: "conflict",
      message: expect.stringMatching(/^update out of sequence: version 1000 was given, and \d+ is the current one$/),
    });
  });

  test("what cannot be a node's spec, or is of no node, is refused", async () => {
    const cluster = await world("n1");
    const n1 = cluster.node("n1");
    expect(await refused(cluster, update(n1, { labels: { "": "a" } }))).toMatchObject({ code: "invalid_argument" });
    expect(await refused(cluster, update({ ...n1, id: "nope" }))).toEqual({ code: "not_found", message: "node nope not found" });
  });

  test("an update moves the version: a second one that rests on the same version is stale", async () => {
    const cluster = await world("n1");
    const before = cluster.node("n1");
    await cluster.manager.control.execute(update(before, { availability: "pause" }));
    expect(await refused(cluster, update(before, { availability: "drain" }))).toMatchObject({ code: "conflict" });
  });

  test("whoever stays a manager may be changed, the last one too", async () => {
    const cluster = await world(manager("m1"));
    cluster.membership.set("m1");
    await cluster.manager.control.execute(update(cluster.node("m1"), { availability: "drain" }));
    expect(cluster.node("m1").spec).toMatchObject({ role: "manager", availability: "drain" });
  });

  test("of two updates at once the second is told that another is on its way: its version is not known yet", async () => {
    const cluster = await world("n1");
    const before = cluster.node("n1");
    const first = cluster.manager.control.execute(update(before, { availability: "pause" }));
    await expect(cluster.manager.control.execute(update(before, { availability: "drain" }))).rejects.toMatchObject({
      code: "conflict",
      message: `update out of sequence: version ${before.meta!.version} was given, and a newer one is being written`,
    });
    await first;
  });

  test("status writes in between do not make an update stale", async () => {
    const cluster = await world("n1");
    const before = cluster.node("n1");
    await cluster.write((tx) => tx.update("node", { ...before, status: { state: "ready", message: "", address: "" } }));
    await cluster.manager.control.execute(update(before, { availability: "pause" }));
  });

  test("demotion keeps a last manager, and a quorum", async () => {
    const cluster = await world(manager("m1"), "w1");
    cluster.membership.set("m1");
    expect(await refused(cluster, update(cluster.node("m1"), { role: "worker" }))).toEqual({
      code: "failed_precondition",
      message: "attempting to demote the last manager of the swarm",
    });
    await cluster.write((tx) => {
      for (const id of ["m2", "m3"]) tx.create("node", manager(id), { isClientWrite: true });
    });
    cluster.membership.set("m1", "m2", "!m3");
    expect(await refused(cluster, update(cluster.node("m2"), { role: "worker" }))).toEqual({
      code: "failed_precondition",
      message:
        "can't remove member from the raft: this would result in a loss of quorum: of the 2 managers that would be left 1 can be reached, and it takes 2",
    });
    await cluster.manager.control.execute(update(cluster.node("m3"), { role: "worker" }));
    expect(cluster.node("m3")).toMatchObject({ spec: { role: "worker" }, role: "manager" });
    // Founded anew: m2 is a manager by its wish, and in no group.
    cluster.membership.set("m1");
    expect(await refused(cluster, update(cluster.node("m1"), { role: "worker" }))).toMatchObject({
      message: "attempting to demote the last manager of the swarm",
    });
  });

  test("removal needs a node that is down, or force; a member of the raft group must be demoted first", async () => {
    const cluster = await world(testNode("ready"), testNode("down", { state: "down" }), manager("m1"));
    cluster.membership.set("m1");
    const remove = (nodeId: string, force = false): ControlRequest => ({ type: "removeNode", removeNode: { nodeId, force } });
    await cluster.write((tx) => {
      tx.create("task", testTask("live", { nodeId: "ready" }));
      tx.create("task", testTask("past", { nodeId: "ready", state: "failed" }));
    });
    expect(await refused(cluster, remove("ready"))).toEqual({ code: "failed_precondition", message: "node ready is not down and can't be removed" });
    expect(await refused(cluster, remove("m1", true))).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("must be demoted to worker before removal"),
    });
    expect(await refused(cluster, remove("nope"))).toEqual({ code: "not_found", message: "node nope not found" });
    await cluster.manager.control.execute(remove("down"));
    await cluster.manager.control.execute(remove("ready", true));
    expect([...cluster.store.view.nodes.all()].map(({ id }) => id)).toEqual(["m1"]);
    expect(Object.keys(cluster.store.view.cluster!.removedNodes).sort()).toEqual(["down", "ready"]);
    expect(cluster.tasks().map(({ id, status }) => [id, status?.state])).toEqual([
      ["live", "orphaned"],
      ["past", "failed"],
    ]);
  });
});

test("a removed node is remembered until its certificate has long expired, and no change of the cluster's version comes of it", async () => {
  const dayMs = 24 * 3_600_000;
  const cluster = await world(
    { ...testNode("one", { state: "down" }), certificateExpiresAtMs: Date.UTC(2026, 10, 21) + 100 * dayMs },
    // A manager that was off past its certificate may have issued itself another one, of which the store knows nothing.
    { ...testNode("two", { state: "down" }), certificateExpiresAtMs: Date.UTC(2026, 10, 21) - 300 * dayMs },
    testNode("three", { state: "down" }),
  );
  const version = cluster.store.view.cluster!.meta!.version;
  const remove = (nodeId: string) => cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId, force: false } });
  await remove("one");
  await remove("two");
  expect(cluster.store.view.cluster!.removedNodes).toEqual({ one: Date.UTC(2026, 10, 21) + 107 * dayMs, two: Date.UTC(2026, 10, 21) + 97 * dayMs });
  await cluster.clock.advance(108 * dayMs);
  await remove("three");
  expect(Object.keys(cluster.store.view.cluster!.removedNodes)).toEqual(["three"]);
  expect(cluster.store.view.cluster!.meta!.version).toBe(version);
});

test("a removed node is remembered as long as this cluster's certificates are valid", async () => {
  const cluster = await world(testNode("one", { state: "down" }));
  const dayMs = 24 * 3_600_000;
  await cluster.manager.control.execute(updateCluster(cluster, { spec: { ...DEFAULT_CLUSTER_SPEC, nodeCertExpiryNs: BigInt(365 * dayMs) * 1_000_000n } }));
  await cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId: "one", force: false } });
  expect(cluster.store.view.cluster!.removedNodes).toEqual({ one: cluster.clock.now() + 372 * dayMs });
});

test("removed nodes take no more of the cluster object than leaves room for its other changes", async () => {
  const cluster = await world(testNode("one", { state: "down" }));
  const nowMs = cluster.clock.now();
  const remember = (count: number, firstUntilMs: number) => {
    const removed = Array.from({ length: count }, (_, at) => [`${at}`.padStart(25, "n"), at === 0 ? firstUntilMs : nowMs + 90 * 24 * 3_600_000]);
    return cluster.write((tx) => tx.update("cluster", { ...tx.cluster!, removedNodes: Object.fromEntries(removed) }));
  };
  const remove: ControlRequest = { type: "removeNode", removeNode: { nodeId: "one", force: false } };
  await remember(30_000, nowMs + 60_000);
  expect(await refused(cluster, remove)).toEqual({
    code: "failed_precondition",
    message: `30000 removed nodes are remembered until their certificates are worth nothing any more, and there is no room for another one before ${new Date(nowMs + 60_000).toISOString()}`,
  });
  expect(ClusterCodec.encode(cluster.store.view.cluster!).length).toBeLessThan(1_100_000);
  await remember(30_000, nowMs);
  await cluster.manager.control.execute(remove);
  expect(Object.keys(cluster.store.view.cluster!.removedNodes)).toHaveLength(30_000);
});

test("a node that comes back while its tasks are orphaned is not removed", async () => {
  await using cluster = new ManagerWorld([testNode("one", { state: "down" })]);
  await cluster.leadWithoutDecisions();
  const ids = Array.from({ length: 300 }, (_, at) => `t${at}`);
  await cluster.store.batch(ids, (tx, id) => tx.create("task", testTask(id, { serviceId: "other", nodeId: "one", state: "running" })));
  const { proposer } = cluster;
  proposer.hold();
  const removal = cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId: "one", force: false } }).catch((cause: unknown) => cause);
  await proposer.release(1);
  const registration = cluster.write((tx) => tx.update("node", { ...tx.nodes.get("one")!, status: { state: "ready", message: "", address: "" } }));
  await proposer.release();
  await registration;
  expect(await removal).toMatchObject({ code: "failed_precondition", message: "node one is not down and can't be removed" });
  expect(cluster.node("one").status?.state).toBe("ready");
});

test("a removal of a node that loses the leadership when its tasks are orphaned already says that it has begun", async () => {
  await using cluster = new ManagerWorld([testNode("one", { state: "down" }), testNode("two", { state: "down" })]);
  await cluster.leadWithoutDecisions();
  const ids = Array.from({ length: 300 }, (_, at) => `t${at}`);
  await cluster.store.batch(ids, (tx, id) => tx.create("task", testTask(id, { serviceId: "other", nodeId: "one", state: "running" })));
  const { proposer } = cluster;
  const remove = (nodeId: string) =>
    cluster.manager.control.execute({ type: "removeNode", removeNode: { nodeId, force: false } }).catch((cause: unknown) => cause);
  const lost = () => proposer.fail(new ClusterError("no_leader", "leadership was lost"));
  proposer.hold();
  const begun = remove("one");
  await proposer.release(1);
  expect(cluster.store.view.nodes.get("one")?.spec?.availability).toBe("drain");
  await proposer.release(1);
  expect(cluster.tasks().filter(({ status }) => status?.state === "orphaned")).toHaveLength(200);
  await lost();
  proposer.hold();
  const untouched = remove("two");
  await lost();
  expect(await begun).toMatchObject({ code: "no_leader", details: { [HAS_BEGUN]: "true" } });
  expect(await untouched).toMatchObject({ code: "no_leader", details: {} });
});

describe("the cluster", () => {
  test("zeros are defaults, and the signing key is not shown", async () => {
    const cluster = await world();
    const reply = await cluster.manager.control.execute(
      updateCluster(cluster, { spec: { ...DEFAULT_CLUSTER_SPEC, name: "", heartbeatPeriodNs: 0n, raft: null, taskHistoryRetentionLimit: 7n } }),
    );
    expect(reply).toMatchObject({ type: "cluster", cluster: { spec: { ...DEFAULT_CLUSTER_SPEC, taskHistoryRetentionLimit: 7n }, rootCa: { key: "" } } });
    expect(cluster.store.view.cluster?.rootCa?.key).not.toBe("");
  });

  test("rotation changes only the secret of the token that it names", async () => {
    const cluster = await world();
    const before = cluster.store.view.cluster!.rootCa!.joinTokens!;
    await cluster.manager.control.execute(updateCluster(cluster, { rotateWorkerToken: true }));
    const after = cluster.store.view.cluster!.rootCa!.joinTokens!;
    expect(after.manager).toBe(before.manager);
    expect(after.worker).not.toBe(before.worker);
    expect(after.worker.slice(0, 60)).toBe(before.worker.slice(0, 60));
  });

  test.each<[string, Partial<UpdateCluster>, string, string]>([
    ["a stale version", { version: 0 }, "conflict", "update out of sequence: version 0 was given, and 1 is the current one"],
    ["no spec", { spec: null }, "invalid_argument", "cluster spec must be given"],
    ["another name", { spec: { ...DEFAULT_CLUSTER_SPEC, name: "x" } }, "invalid_argument", 'modification of cluster name is not allowed: "x"'],
    [
      "a negative heartbeat",
      { spec: { ...DEFAULT_CLUSTER_SPEC, heartbeatPeriodNs: -1n } },
      "invalid_argument",
      "heartbeat time period cannot be a negative duration",
    ],
    ["a short certificate", { spec: { ...DEFAULT_CLUSTER_SPEC, nodeCertExpiryNs: 1n } }, "invalid_argument", "minimum certificate expiry time is: 1h0m0s"],
    ["an unlock key of what is not locked", { rotateUnlockKey: true }, "failed_precondition", "cannot rotate the unlock key because autolock is not turned on"],
  ])("refuses %s", async (_, change, code, message) => {
    const cluster = await world();
    expect(await refused(cluster, updateCluster(cluster, change))).toEqual({ code, message });
  });
});

describe("autolock", () => {
  const locked = { ...DEFAULT_CLUSTER_SPEC, autoLockManagers: true };
  const keysOf = ({ store }: Awaited<ReturnType<typeof world>>) => {
    const { unlockKey, dataKeyEpoch } = store.view.cluster!;
    return { unlockKey: Buffer.from(unlockKey ?? []).toString("hex"), dataKeyEpoch };
  };
  /** The answer of the leader goes to other managers: no key is in it. */
  const updated = async (cluster: Awaited<ReturnType<typeof world>>, change: Partial<UpdateCluster>) => {
    const reply = await cluster.manager.control.execute(updateCluster(cluster, change));
    expect(reply).toMatchObject({ type: "cluster", cluster: { unlockKey: new Uint8Array(0), rootCa: { key: "" } } });
    return keysOf(cluster);
  };

  test("turning it on makes an unlock key, rotating makes another one, each with new data keys; turning it off forgets it", async () => {
    const cluster = await world();
    const first = await updated(cluster, { spec: locked });
    expect(first).toEqual({ unlockKey: expect.stringMatching(/^[0-9a-f]{64}$/), dataKeyEpoch: 1 });
    expect(await updated(cluster, { spec: { ...locked, taskHistoryRetentionLimit: 2n } })).toEqual(first);
    const second = await updated(cluster, { spec: locked, rotateUnlockKey: true });
    expect(second.unlockKey).not.toBe(first.unlockKey);
    expect(second.dataKeyEpoch).toBe(2);
    expect(await updated(cluster, { spec: locked, rotateDataKeys: true })).toEqual({ ...second, dataKeyEpoch: 3 });
    expect(await updated(cluster, { spec: DEFAULT_CLUSTER_SPEC })).toEqual({ unlockKey: "", dataKeyEpoch: 3 });
    expect(await updated(cluster, { spec: DEFAULT_CLUSTER_SPEC, rotateDataKeys: true })).toEqual({ unlockKey: "", dataKeyEpoch: 4 });
  });
});

describe("members", () => {
  test("only a manager of this cluster may join, and gets to know the others", async () => {
    const cluster = await world(
      manager("m1"),
      manager("m2"),
      "w1",
      { ...manager("demoted"), spec: testNode("").spec },
      { ...manager("wished"), role: "worker" },
    );
    cluster.membership.set("m1");
    const join = (nodeId: string, address = `${nodeId}:2377`): ControlRequest => ({ type: "joinMember", joinMember: { nodeId, address } });
    for (const id of ["w1", "nope", "demoted", "wished"])
      expect(await refused(cluster, join(id))).toEqual({ code: "permission_denied", message: `node ${id} is not a manager of this cluster` });
    expect(await refused(cluster, join("m2", ""))).toEqual({ code: "invalid_argument", message: "address of the new member must be given" });
    expect(await cluster.manager.control.execute(join("m2"))).toMatchObject({
      type: "joinMember",
      joinMember: { raftId: 2, members: [{ nodeId: "m1" }, { nodeId: "m2" }], clusterId: "cluster1", incarnation: "incarnation1" },
    });
  });

  test("a manager leaves unless the others would be no quorum; a leader hands over first", async () => {
    const cluster = await world(manager("m1"), manager("m2"), { ...manager("m3"), description: nodeDescription("m3") });
    const leave = (nodeId: string): ControlRequest => ({ type: "leaveMember", leaveMember: { nodeId } });
    cluster.membership.set("m1");
    expect(await refused(cluster, leave("m1"))).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("last manager") });
    cluster.membership.set("m1", "m2", "!m3");
    expect(await refused(cluster, leave("m2"))).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("loss of quorum") });
    cluster.membership.set("m1", "m2", "m3");
    expect(await refused(cluster, leave("m1"))).toMatchObject({ code: "no_leader" });
    expect(await cluster.manager.control.execute(leave("m3"))).toEqual({ type: "done", done: {} });
    expect(await cluster.manager.control.execute(leave("nobody"))).toEqual({ type: "done", done: {} });
    expect(cluster.membership.calls).toEqual(["transfer", "remove m3"]);
    expect([...cluster.store.view.nodes.all()]).toHaveLength(3);
  });

  test("one whose join came to nothing before it registered leaves no node behind, and is known as removed", async () => {
    const cluster = await world(manager("m1"), { ...manager("m2"), description: null });
    cluster.membership.set("m1", "?m2");
    expect(await cluster.manager.control.execute({ type: "leaveMember", leaveMember: { nodeId: "m2" } })).toEqual({ type: "done", done: {} });
    expect([...cluster.store.view.nodes.all()].map(({ id }) => id)).toEqual(["m1"]);
    expect(Object.keys(cluster.store.view.cluster?.removedNodes ?? {})).toEqual(["m2"]);
  });
});
