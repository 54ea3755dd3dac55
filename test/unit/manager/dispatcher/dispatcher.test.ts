import { describe, expect, test } from "vitest";
import type { Caller } from "../../../../src/manager/dispatcher/caller.js";
import type { Node, NodeDescription, PortConfig, TaskState, TaskStatus } from "../../../../src/model/objects.js";
import type { AssignmentsMessage, SessionMessage } from "../../../../src/wire/generated/dispatcher.js";
import { createRootCa } from "../../../../src/pki/root-ca.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { nodeDescription } from "../../../support/node-description.js";
import { testNode, testTask } from "../../../support/services.js";

const N1: Caller = { nodeId: "n1", address: "10.88.0.1" };
const FOREVER = new AbortController().signal;

/** A leader, and a node that registered and from then on does only what the test says. */
async function registered(): Promise<{
  cluster: ManagerWorld;
  session: AsyncGenerator<SessionMessage>;
  sessionId: string;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const cluster = new ManagerWorld(["n1", "n2"]);
  await cluster.leadWithoutDecisions();
  const { session, sessionId } = await register(cluster);
  return { cluster, session, sessionId, [Symbol.asyncDispose]: () => cluster.depose() };
}

async function register(cluster: ManagerWorld, sessionId = "", incarnation = "incarnation1", hostname = "host1") {
  const session = cluster.manager.dispatcher.session(N1, { description: nodeDescription(hostname), sessionId, incarnation }, FOREVER);
  const first = await session.next();
  if (first.done) throw new Error("the session ended at once");
  return { session, message: first.value, sessionId: first.value.sessionId };
}

async function next<T>(stream: AsyncGenerator<T>): Promise<T> {
  const result = await stream.next();
  if (result.done) throw new Error("the stream ended");
  return result.value;
}

function status(state: TaskState, change: Partial<TaskStatus> = {}): TaskStatus {
  return { state, timestampMs: 5, message: state, error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0, ...change };
}

const changesOf = ({ changes }: AssignmentsMessage) =>
  changes.map((change) =>
    change.type === "updateTask" ? `${change.updateTask.id} ${change.updateTask.desiredState}` : change.type === "removeTask" ? `-${change.removeTask}` : "?",
  );

/** What comes before a node registers that was there already. */
const LEADERS: readonly (readonly [string, (cluster: ManagerWorld) => Promise<void>])[] = [
  ["a leader that knows it", async () => undefined],
  [
    "a new leader",
    async (cluster: ManagerWorld) => {
      await cluster.depose();
      await cluster.leadWithoutDecisions();
    },
  ],
];

describe("sessions", () => {
  test("a node learns of itself, the managers and the root certificate, and again when these change", async () => {
    await using world = await registered();
    const { cluster, session, sessionId } = world;
    const changed = session.next();
    const node = cluster.node("n1");
    await cluster.write((tx) => tx.update("node", { ...node, role: "manager" }));
    expect((await changed).value).toMatchObject({ sessionId, node: { role: "manager" }, rootCertificate: cluster.store.view.cluster?.rootCa?.certificate });
    const again = session.next();
    cluster.membership.set("m1", "m2");
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId });
    expect((await again).value).toMatchObject({
      managers: [
        { nodeId: "m1", address: "m1:2377" },
        { nodeId: "m2", address: "m2:2377" },
      ],
    });
  });

  test("a stale session is invalid; the same one goes on; a new one replaces it", async () => {
    await using world = await registered();
    const { cluster, session, sessionId } = world;
    const { dispatcher } = cluster.manager;
    await expect(dispatcher.heartbeat(N1, { sessionId: "other" })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(dispatcher.heartbeat({ nodeId: "n2", address: "" }, { sessionId })).rejects.toMatchObject({ code: "invalid_argument" });
    expect((await register(cluster, sessionId)).sessionId).toBe(sessionId);
    const ended = session.next();
    const second = await register(cluster, "unknown");
    expect(second.sessionId).not.toBe(sessionId);
    await expect(ended).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(dispatcher.heartbeat(N1, { sessionId })).rejects.toMatchObject({ code: "invalid_argument" });
    await dispatcher.heartbeat(N1, { sessionId: second.sessionId });
  });

  test("what a node acts on is told when it changes, and nothing else", async () => {
    await using world = await registered();
    const { cluster, session } = world;
    const news: SessionMessage[] = [];
    const reading = (async () => {
      for await (const message of session) news.push(message);
    })().catch(() => undefined);
    const toldOf = async (write: Parameters<ManagerWorld["write"]>[0]) => {
      const before = news.length;
      await cluster.write(write);
      await cluster.settle();
      return news.slice(before);
    };
    const next = createRootCa({ nowMs: cluster.clock.now() });
    const rotation = { ...next, crossSigned: next.certificate };
    const spec = { ...cluster.node("n1").spec!, labels: { zone: "a" } };
    const status = { state: "ready", message: "again", address: "" } as const;
    expect(await toldOf((tx) => tx.update("node", { ...tx.nodes.get("n1")!, spec }))).toMatchObject([{ node: { spec } }]);
    expect(await toldOf((tx) => tx.update("node", { ...tx.nodes.get("n1")!, role: "manager" }))).toMatchObject([{ node: { role: "manager" } }]);
    expect(await toldOf((tx) => tx.update("cluster", { ...tx.cluster!, rootCa: { ...tx.cluster!.rootCa!, rotation } }))).toMatchObject([
      { rootCertificate: expect.stringContaining(next.certificate) },
    ]);
    expect(await toldOf((tx) => tx.update("cluster", { ...tx.cluster!, incarnation: "incarnation2" }))).toMatchObject([{ incarnation: "incarnation2" }]);
    expect(await toldOf((tx) => tx.update("node", { ...tx.nodes.get("n1")!, status }))).toEqual([]);
    expect(await toldOf((tx) => tx.update("cluster", { ...tx.cluster!, dataKeyEpoch: 7 }))).toEqual([]);
    cluster.manager.dispatcher.askToRenew(new Set(["n1"]), "digest");
    await cluster.settle();
    expect(news.at(-1)).toMatchObject({ issuerKeyDigest: "digest" });
    await cluster.depose();
    await reading;
  });

  test("whoever has no session reports nothing", async () => {
    await using world = await registered();
    const { cluster } = world;
    const { dispatcher } = cluster.manager;
    await cluster.write((tx) => tx.create("task", testTask("t1", { nodeId: "n1", state: "assigned", serviceId: "" })));
    const { revision } = cluster.store;
    const updates = [{ taskId: "t1", status: status("running") }];
    await expect(dispatcher.updateTaskStatus(N1, { sessionId: "other", updates })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(dispatcher.updateDescription(N1, { sessionId: "other", description: nodeDescription("forged") })).rejects.toMatchObject({
      code: "invalid_argument",
    });
    await expect(next(dispatcher.assignments(N1, { sessionId: "other" }, FOREVER))).rejects.toMatchObject({ code: "invalid_argument" });
    expect(cluster.store.revision).toBe(revision);
  });

  test("the session of a silent node is over: it is refused, and another one takes its place", async () => {
    await using world = await registered();
    const { cluster, session, sessionId } = world;
    const ended = expect(session.next()).rejects.toMatchObject({ code: "invalid_argument" });
    await cluster.advance(6_500);
    await ended;
    expect(cluster.node("n1").status?.state).toBe("down");
    await expect(cluster.manager.dispatcher.heartbeat(N1, { sessionId })).rejects.toMatchObject({ code: "invalid_argument" });
    expect((await register(cluster, sessionId)).sessionId).not.toBe(sessionId);
    expect(cluster.node("n1").status?.state).toBe("ready");
  });

  test("who registers, anew or with its session, was heard, and is given up only after a silence from then on", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    const states: (string | undefined)[] = [];
    const passes = async () => {
      await cluster.advance(4_000);
      states.push(cluster.node("n1").status?.state);
    };
    await passes();
    await register(cluster, sessionId);
    await passes();
    const other = await register(cluster);
    await passes();
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId: other.sessionId });
    await passes();
    await passes();
    expect(states).toEqual(["ready", "ready", "ready", "ready", "down"]);
  });

  test("who registers as the leader begins is not taken for unknown", async () => {
    await using cluster = new ManagerWorld([testNode("n1")]);
    await cluster.settle();
    cluster.proposer.hold();
    const registration = cluster.write((tx) => tx.update("node", { ...tx.nodes.get("n1")!, status: { state: "ready", message: "newer", address: "" } }));
    await cluster.leadWithoutDecisions();
    await cluster.proposer.release();
    await registration;
    await cluster.settle();
    expect(cluster.node("n1").status).toMatchObject({ state: "ready", message: "newer" });
  });

  test.each([
    ["after a silence that is nearly too long", async (cluster: ManagerWorld) => void (await cluster.advance(5_900, 100))],
    [
      "with a new leader that nearly gives it up",
      async (cluster: ManagerWorld) => {
        await cluster.depose();
        await cluster.leadWithoutDecisions();
        await cluster.advance(5_900, 100);
      },
    ],
  ])("who registers %s is there, also when its write takes its time", async (_, prepare) => {
    await using world = await registered();
    const { cluster } = world;
    await prepare(cluster);
    cluster.proposer.hold();
    const again = register(cluster);
    await cluster.advance(1_000, 100);
    await cluster.proposer.release();
    const { sessionId } = await again;
    await cluster.advance(3_000);
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId });
    expect(cluster.node("n1").status?.state).toBe("ready");
  });

  test.each(LEADERS)("who registers with %s is not given up while that is written, however long it takes", async (_, prepare) => {
    await using world = await registered();
    const { cluster } = world;
    await prepare(cluster);
    cluster.proposer.hold();
    const again = register(cluster, "", "incarnation1", "renamed");
    await cluster.advance(30_000);
    await cluster.proposer.release();
    const { sessionId } = await again;
    await cluster.settle();
    expect(cluster.node("n1").status?.state).toBe("ready");
    await cluster.advance(5_500);
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId });
    await cluster.advance(5_500);
    expect(cluster.node("n1").status?.state).toBe("ready");
    await cluster.advance(1_000);
    expect(cluster.node("n1").status?.state).toBe("down");
  });

  test.each(LEADERS)("who is asked by %s to come again later, since too much is not committed yet, was heard", async (_, prepare) => {
    await using world = await registered();
    const { cluster } = world;
    await prepare(cluster);
    cluster.proposer.isFull = true;
    for (let attempt = 0; attempt < 4; attempt++) {
      await cluster.advance(4_000);
      await expect(register(cluster)).rejects.toMatchObject({ code: "unavailable" });
    }
    expect(cluster.node("n1").status?.state).not.toBe("down");
    await cluster.advance(6_500);
    expect(cluster.node("n1").status?.state).toBe("down");
  });

  test("a node that a new leader hears is not given up for having been unknown before", async () => {
    await using cluster = new ManagerWorld(["n1", "n2"]);
    await cluster.settle();
    await cluster.leadWithoutDecisions();
    await cluster.connect("n1");
    await cluster.advance(10_000);
    expect([cluster.node("n1").status?.state, cluster.node("n2").status?.state]).toEqual(["ready", "down"]);
  });

  test("where a node was seen last is known also while it is not there", async () => {
    await using world = await registered();
    const { cluster } = world;
    const seen = () => cluster.node("n1").status;
    expect(seen()).toMatchObject({ state: "ready", address: N1.address });
    await cluster.depose();
    await cluster.leadWithoutDecisions();
    expect(seen()).toMatchObject({ state: "unknown", address: N1.address });
    await cluster.advance(7_000);
    expect(seen()).toMatchObject({ state: "down", address: N1.address });
  });

  test("a manager that stops leading counts nobody's time any more", async () => {
    const world = await registered();
    const { cluster } = world;
    await cluster.advance(4_000);
    expect(cluster.clock.pending).toBeGreaterThan(0);
    await cluster.depose();
    expect(cluster.clock.pending).toBe(0);
  });

  test("who comes back to a new leader as it was is not taken for unknown, also where there are very many nodes", async () => {
    const known: Node = { ...testNode("n1"), description: nodeDescription("host1"), status: { state: "ready", message: "", address: N1.address } };
    await using cluster = new ManagerWorld([...Array.from({ length: 1_700 }, (_, at) => testNode(`a${at}`)), known]);
    await cluster.settle();
    cluster.proposer.hold();
    await cluster.leadWithoutDecisions();
    const registration = register(cluster);
    await cluster.proposer.release();
    await registration;
    await cluster.settle();
    expect(cluster.node("n1").status?.state).toBe("ready");
    expect(cluster.node("a1699").status?.state).toBe("unknown");
  });

  test("a node that is removed is told so on every call", async () => {
    await using world = await registered();
    const { cluster, session, sessionId } = world;
    const assignments = cluster.manager.dispatcher.assignments(N1, { sessionId }, FOREVER);
    await next(assignments);
    const ends = [session.next(), assignments.next()];
    await Promise.all([cluster.write((tx) => tx.remove("node", "n1")), ...ends.map((end) => expect(end).rejects.toMatchObject({ code: "permission_denied" }))]);
    await expect(cluster.manager.dispatcher.heartbeat(N1, { sessionId })).rejects.toMatchObject({ code: "permission_denied" });
    await expect(register(cluster)).rejects.toMatchObject({ code: "permission_denied" });
  });

  test("a node of a foreign incarnation of the cluster is refused; one of an incarnation before comes over, unless it was a manager", async () => {
    await using world = await registered();
    const { cluster } = world;
    await expect(register(cluster, "", "incarnation2")).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/leave it by force/),
    });
    await register(cluster, "", "");
    await cluster.write((tx) => tx.update("cluster", { ...tx.cluster!, formerIncarnations: ["incarnation0"] }));
    expect((await register(cluster, "", "incarnation0")).message.incarnation).toBe("incarnation1");
    await cluster.write((tx) => tx.update("node", { ...tx.nodes.get("n1")!, role: "manager" }));
    await expect(register(cluster, "", "incarnation0")).rejects.toMatchObject({ code: "failed_precondition", details: { foundedAnew: "incarnation1" } });
  });

  test("a manager that does not lead refuses, and ends what was open", async () => {
    const { cluster, session, sessionId } = await registered();
    const ended = session.next();
    await Promise.all([cluster.depose(), expect(ended).rejects.toMatchObject({ code: "unavailable" })]);
    await expect(cluster.manager.dispatcher.heartbeat(N1, { sessionId })).rejects.toMatchObject({ code: "unavailable" });
    await expect(register(cluster)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a caller that hangs up ends its stream quietly, and its session lives on", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    const hangUp = new AbortController();
    const session = cluster.manager.dispatcher.session(N1, { description: null, sessionId, incarnation: "" }, hangUp.signal);
    await next(session);
    const end = session.next();
    hangUp.abort();
    expect((await end).done).toBe(true);
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId });
    expect(cluster.node("n1").status?.state).toBe("ready");
  });

  test("a changed description is stored, an unchanged one is not written", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    const { revision } = cluster.store;
    await cluster.manager.dispatcher.updateDescription(N1, { sessionId, description: nodeDescription("host1") });
    expect(cluster.store.revision).toBe(revision);
    await cluster.manager.dispatcher.updateDescription(N1, { sessionId, description: nodeDescription("host2") });
    expect(cluster.node("n1").description?.hostname).toBe("host2");
  });
});

describe("heartbeats", () => {
  test("the reply asks for the period of the cluster's spec, live, with a little spread", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    const periodMs = async () => Number((await cluster.manager.dispatcher.heartbeat(N1, { sessionId })).periodNs) / 1e6;
    const first = await periodMs();
    expect(first).toBeGreaterThanOrEqual(1_800);
    expect(first).toBeLessThanOrEqual(2_000);
    const shared = cluster.store.view.cluster!;
    await cluster.write((tx) => tx.update("cluster", { ...shared, spec: { ...shared.spec!, heartbeatPeriodNs: 10_000_000_000n } }));
    expect(await periodMs()).toBeGreaterThanOrEqual(9_000);
    await cluster.advance(20_000);
    expect(cluster.node("n1").status?.state).toBe("ready");
  });

  test("a shorter period holds at once: each node is told, and has its time from then on", async () => {
    await using world = await registered();
    const { cluster, session, sessionId } = world;
    const setPeriod = async (seconds: bigint) => {
      const shared = cluster.store.view.cluster!;
      const told = session.next();
      await cluster.write((tx) => tx.update("cluster", { ...shared, spec: { ...shared.spec!, heartbeatPeriodNs: seconds * 1_000_000_000n } }));
      expect(await told).toMatchObject({ value: { heartbeatPeriodNs: seconds * 1_000_000_000n } });
    };
    await setPeriod(3_600n);
    await cluster.manager.dispatcher.heartbeat(N1, { sessionId });
    await cluster.advance(60_000);
    expect(cluster.node("n1").status?.state).toBe("ready");
    await setPeriod(2n);
    await cluster.advance(5_500);
    expect(cluster.node("n1").status?.state).toBe("ready");
    await cluster.advance(1_000);
    expect(cluster.node("n1").status?.state).toBe("down");
  });

  test("a process that was stalled gives its nodes time again", async () => {
    await using world = await registered();
    const { cluster } = world;
    await cluster.clock.advance(1_000);
    // A timer that is due long before it is called: the stall.
    const realMonotonic = cluster.clock.monotonic.bind(cluster.clock);
    cluster.clock.monotonic = () => realMonotonic() + 60_000;
    await cluster.advance(5_000);
    expect(cluster.node("n1").status?.state).toBe("ready");
    await cluster.advance(6_500);
    expect(cluster.node("n1").status?.state).toBe("down");
  });

  test("a new leader that was stalled gives the nodes that it has not heard yet time again", async () => {
    await using cluster = new ManagerWorld([testNode("n1")]);
    await cluster.settle();
    await cluster.leadWithoutDecisions();
    await cluster.clock.advance(1_000);
    const realMonotonic = cluster.clock.monotonic.bind(cluster.clock);
    cluster.clock.monotonic = () => realMonotonic() + 60_000;
    await cluster.advance(5_000);
    expect(cluster.node("n1").status?.state).toBe("unknown");
    await cluster.advance(6_500);
    expect(cluster.node("n1").status?.state).toBe("down");
  });

  test("a new leader counts the day anew for a node that is down", async () => {
    await using cluster = new ManagerWorld([testNode("n1", { state: "down" })]);
    await cluster.write((tx) => tx.create("task", testTask("live", { nodeId: "n1", serviceId: "" })));
    await cluster.leadWithoutDecisions();
    await cluster.clock.advance(24 * 3_600_000 - 1);
    await cluster.settle();
    expect(cluster.store.view.tasks.get("live")?.status?.state).toBe("running");
    await cluster.clock.advance(1);
    await cluster.settle();
    expect(cluster.store.view.tasks.get("live")?.status?.state).toBe("orphaned");
  });

  test("tasks of a node that is down for a day are orphaned", async () => {
    await using world = await registered();
    const { cluster } = world;
    await cluster.write((tx) => {
      tx.create("task", testTask("live", { nodeId: "n1", serviceId: "" }));
      tx.create("task", testTask("ended", { nodeId: "n1", state: "failed" }));
    });
    await cluster.advance(7_000);
    expect(cluster.node("n1").status?.state).toBe("down");
    expect(cluster.store.view.tasks.get("live")?.status?.state).toBe("running");
    await cluster.clock.advance(24 * 3_600_000);
    await cluster.settle();
    const written = cluster.proposer.committed.flatMap(({ changes }) =>
      changes.flatMap((change) => (change.type === "update" && change.update.type === "task" ? [change.update.task] : [])),
    );
    const orphan = written.find((task) => task.id === "live" && task.status?.state === "orphaned");
    expect(orphan).toBeDefined();
    expect(orphan?.status?.appliedAtMs).toBe(orphan?.status?.timestampMs);
    expect(cluster.store.view.tasks.get("ended")?.status?.state).toBe("failed");
  });
});

describe("assignments", () => {
  test("all tasks of the node first, then what changes, each set naming the one before", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    await cluster.write((tx) => {
      tx.create("task", testTask("mine", { nodeId: "n1" }));
      tx.create("task", testTask("past", { nodeId: "n1", state: "failed", desiredState: "shutdown" }));
      tx.create("task", testTask("waiting", { nodeId: "n1", state: "pending" }));
      tx.create("task", testTask("theirs", { nodeId: "n2" }));
    });
    const stream = cluster.manager.dispatcher.assignments(N1, { sessionId }, FOREVER);
    const complete = await next(stream);
    expect(complete).toMatchObject({ kind: "complete", appliesTo: "" });
    expect(changesOf(complete)).toEqual(["mine running", "past shutdown"]);
    const coming = next(stream);
    const { tasks } = cluster.store.view;
    await cluster.write((tx) => tx.update("task", { ...tasks.get("mine")!, status: status("running", { message: "said by the node itself" }) }));
    await Promise.all([
      cluster.write((tx) => tx.update("task", { ...tasks.get("mine")!, desiredState: "shutdown" })),
      cluster.write((tx) => tx.update("task", { ...tasks.get("waiting")!, status: status("assigned") })),
      cluster.write((tx) => tx.remove("task", "past")),
    ]);
    const incremental = await coming;
    expect(incremental).toMatchObject({ kind: "incremental", appliesTo: complete.resultsIn });
    expect(changesOf(incremental)).toEqual(["mine shutdown", "waiting running", "-past"]);
  });

  test("a task that came and went before the node heard of it is not mentioned", async () => {
    await using world = await registered();
    const { cluster, sessionId } = world;
    const stream = cluster.manager.dispatcher.assignments(N1, { sessionId }, FOREVER);
    await next(stream);
    const coming = next(stream);
    await Promise.all([
      cluster.write((tx) => tx.create("task", testTask("brief", { nodeId: "n1" }))),
      cluster.write((tx) => tx.remove("task", "brief")),
      cluster.write((tx) => tx.create("task", testTask("stays", { nodeId: "n1" }))),
    ]);
    expect(changesOf(await coming)).toEqual(["stays running"]);
  });
});

describe("status reports", () => {
  async function withTask(state: TaskState = "assigned") {
    const world = await registered();
    await world.cluster.write((tx) => {
      tx.create("task", testTask("t1", { nodeId: "n1", state, serviceId: "" }));
      tx.create("task", testTask("t2", { nodeId: "n2", state, serviceId: "" }));
    });
    const report = (...updates: readonly (readonly [string, TaskStatus])[]) =>
      world.cluster.manager.dispatcher.updateTaskStatus(N1, {
        sessionId: world.sessionId,
        updates: updates.map(([taskId, given]) => ({ taskId, status: given })),
      });
    return { ...world, report };
  }

  test("are cut where their text is long, and refused where they would not fit beside others", async () => {
    await using world = await withTask();
    await world.report(["t1", status("running", { error: "x".repeat(100_000) })]);
    expect(world.cluster.store.view.tasks.get("t1")?.status?.error.length).toBe(8_192);
    const container = { containerId: "y".repeat(100_000), pid: 1, exitCode: 0 };
    await expect(world.report(["t1", status("failed", { container })])).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^report on task t1 of 1\d{5} bytes is larger than 65548 bytes$/),
    });
  });

  test("may name all the ports that the task is to publish, however many, and no more than these", async () => {
    await using world = await withTask();
    const { cluster } = world;
    const portsTo = (last: number): readonly PortConfig[] =>
      Array.from({ length: last }, (_, at) => ({ name: "", protocol: "udp", targetPort: at + 1, publishedPort: at + 1, publishMode: "host" }));
    const [asked, more] = [portsTo(2_000), portsTo(2_400)];
    const endpoint = { spec: { mode: "vip", ports: asked }, ports: [], virtualIps: [] } as const;
    await cluster.write((tx) => tx.update("task", { ...tx.tasks.get("t1")!, endpoint }));
    await expect(world.report(["t1", status("running", { ports: more })])).rejects.toMatchObject({ code: "invalid_argument" });
    await world.report(["t1", status("running", { ports: asked })]);
    expect(cluster.store.view.tasks.get("t1")?.status?.ports).toEqual(asked);
  });

  test("are refused with a time that no client can read", async () => {
    await using world = await withTask();
    const endOf9999 = Date.parse("9999-12-31T23:59:59.999Z");
    await world.report(["t1", status("preparing", { timestampMs: endOf9999 })]);
    await expect(world.report(["t1", status("running", { timestampMs: endOf9999 + 1 })])).rejects.toMatchObject({
      code: "invalid_argument",
      message: "report on task t1 is of a time after the year 9999",
    });
    expect(world.cluster.store.view.tasks.get("t1")?.status?.state).toBe("preparing");
  });

  test("have nothing in their texts that steers a terminal, nor half a character where they are cut", async () => {
    await using world = await withTask();
    const error = `${"x".repeat(8_191)}\u{1F4A9}`;
    await world.report(["t1", status("failed", { message: "two\nlines\tand \u001b[2J\u009b31m\r\u0000", error })]);
    const stored = world.cluster.store.view.tasks.get("t1")?.status;
    expect(stored?.message).toBe("two\nlines\tand \uFFFD[2J\uFFFD31m\uFFFD\uFFFD");
    expect(stored?.error).toBe(`${"x".repeat(8_191)}\uFFFD`);
  });

  test("a description is stored with names that are text in one line", async () => {
    await using world = await withTask();
    const { sessionId } = world;
    const steering = "\u001b]0;title\u0007";
    const before = nodeDescription("host1");
    const description: NodeDescription = {
      ...before,
      hostname: `host\n${steering}`,
      platform: { architecture: steering, os: "linux" },
      engine: { engineVersion: "1\r2", labels: { [`a${steering}`]: "b\nc" }, plugins: [{ type: "Volume", name: "\u0000" }] },
    };
    for (const again of [false, true]) {
      const { revision } = world.cluster.store;
      await world.cluster.manager.dispatcher.updateDescription(N1, { sessionId, description });
      expect(world.cluster.store.revision === revision).toBe(again);
    }
    expect(world.cluster.node("n1").description).toEqual({
      ...before,
      hostname: "host\uFFFD\uFFFD]0;title\uFFFD",
      platform: { architecture: "\uFFFD]0;title\uFFFD", os: "linux" },
      engine: { engineVersion: "1\uFFFD2", labels: { "a\uFFFD]0;title\uFFFD": "b\uFFFDc" }, plugins: [{ type: "Volume", name: "\uFFFD" }] },
    });
  });

  test("a description that is too large is refused", async () => {
    await using world = await withTask();
    const description = { ...nodeDescription("host1"), hostname: "h".repeat(100_000) };
    const refusal = { code: "invalid_argument", message: expect.stringMatching(/^description of node n1 of 1\d{5} bytes is larger than 65536 bytes$/) };
    const { dispatcher } = world.cluster.manager;
    await expect(dispatcher.updateDescription(N1, { sessionId: world.sessionId, description })).rejects.toMatchObject(refusal);
    await expect(next(dispatcher.session(N1, { description, sessionId: "", incarnation: "" }, FOREVER))).rejects.toMatchObject(refusal);
  });

  test("are stored with who reported them and when", async () => {
    await using world = await withTask();
    await world.report(["t1", status("running")]);
    expect(world.cluster.store.view.tasks.get("t1")?.status).toEqual(status("running", { appliedBy: "n1", appliedAtMs: world.cluster.clock.now() }));
  });

  test.each<[TaskState, TaskState, TaskState]>([
    ["running", "starting", "running"],
    ["running", "failed", "failed"],
    ["rejected", "shutdown", "rejected"],
    ["failed", "failed", "failed"],
  ])("a task that is %s and reported %s is %s", async (before, reported, expected) => {
    await using world = await withTask(before);
    await world.report(["t1", status(reported)]);
    expect(world.cluster.store.view.tasks.get("t1")?.status?.state).toBe(expected);
  });

  test("a task of another node is refused, one that is gone is not", async () => {
    await using world = await withTask();
    await expect(world.report(["t2", status("running")])).rejects.toMatchObject({ code: "permission_denied" });
    await world.report(["gone", status("running")]);
    await world.report();
  });

  test("the same report again is not written", async () => {
    await using world = await withTask();
    await world.report(["t1", status("running")]);
    const { revision } = world.cluster.store;
    await world.report(["t1", status("running")]);
    expect(world.cluster.store.revision).toBe(revision);
  });

  test("a state has begun when it was reported first, whatever a node that looks at its container anew says", async () => {
    await using world = await withTask();
    await world.report(["t1", status("running", { timestampMs: 50 })]);
    const appliedAtMs = world.cluster.clock.now();
    await world.cluster.advance(1_000);
    const container = { containerId: "c", pid: 7, exitCode: 0 };
    await world.report(["t1", status("running", { timestampMs: 90, container })]);
    expect(world.cluster.store.view.tasks.get("t1")?.status).toMatchObject({ timestampMs: 50, appliedAtMs, container });
    await world.report(["t1", status("failed", { timestampMs: 95, container })]);
    expect(world.cluster.store.view.tasks.get("t1")?.status).toMatchObject({ state: "failed", timestampMs: 95 });
  });

  test("what comes while a write is under way is written together, the furthest state of each task", async () => {
    await using world = await withTask();
    const { cluster } = world;
    cluster.proposer.hold();
    const reports = [world.report(["t1", status("accepted")])];
    await cluster.settle();
    reports.push(world.report(["t1", status("preparing")]), world.report(["t1", status("running")]), world.report(["t1", status("starting")]));
    await cluster.settle();
    expect(cluster.proposer.pending).toBe(1);
    await cluster.proposer.release(1);
    await cluster.settle();
    expect(cluster.proposer.pending).toBe(1);
    await cluster.proposer.release();
    await Promise.all(reports);
    expect(cluster.store.view.tasks.get("t1")?.status?.state).toBe("running");
  });

  test("when leadership is lost the node is told, and the next report is not stuck", async () => {
    await using world = await withTask();
    const { cluster } = world;
    cluster.proposer.hold();
    const report = world.report(["t1", status("running")]);
    await cluster.settle();
    await Promise.all([cluster.proposer.fail(), expect(report).rejects.toMatchObject({ code: "outcome_unknown" })]);
    await world.report(["t1", status("running")]);
    expect(cluster.store.view.tasks.get("t1")?.status?.state).toBe("running");
  });
});

test.each([5_001, Number.POSITIVE_INFINITY])(
  "one that comes when nobody led for %d ms gives them as long as they may take to find it",
  async (leaderlessMs) => {
    const cluster = new ManagerWorld([testNode("n1")], leaderlessMs);
    await cluster.settle();
    await cluster.leadWithoutDecisions();
    await cluster.advance(19_500);
    expect(cluster.node("n1").status?.state).toBe("unknown");
    await cluster.advance(1_000);
    expect(cluster.node("n1").status?.state).toBe("down");
    await cluster.depose();
  },
);

test("a new leader gives nodes three periods from when it serves", async () => {
  const cluster = new ManagerWorld([testNode("n1"), testNode("n2", { state: "down" })]);
  await cluster.settle();
  await cluster.leadWithoutDecisions();
  expect([cluster.node("n1").status?.state, cluster.node("n2").status?.state]).toEqual(["unknown", "down"]);
  await cluster.advance(5_500);
  expect(cluster.node("n1").status?.state).toBe("unknown");
  await cluster.advance(1_000);
  expect(cluster.node("n1").status?.state).toBe("down");
  await cluster.depose();
});
