import { describe, expect, test } from "vitest";
import { NodeInfo } from "../../../../src/manager/scheduler/node-info.js";
import { type NodePool, planAssignments } from "../../../../src/manager/scheduler/plan.js";
import type { Node, PortConfig, Task, TaskSpec } from "../../../../src/model/objects.js";
import { nodeDescription } from "../../../support/node-description.js";
import { processorMs } from "../../../support/processor-time.js";
import { type NodeChange, type TaskChange, testNode, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const GIB = 1024n ** 3n;

class Pool implements NodePool {
  readonly infos = new Map<string, NodeInfo>();

  node(id: string, change: NodeChange & { readonly description?: Partial<Node["description"]> } = {}): this {
    const info = new NodeInfo();
    info.node = { ...testNode(id, change), description: nodeDescription(id, (change.description ?? {}) as object) };
    this.infos.set(id, info);
    return this;
  }

  /** Tasks that the nodes have already: `{ n1: 3 }`. */
  load(counts: Readonly<Record<string, number>>, change: TaskChange = {}): this {
    for (const [nodeId, count] of Object.entries(counts)) {
      for (let index = 0; index < count; index++)
        this.infos.get(nodeId)!.put(testTask(`${change.serviceId ?? "service1"}-${nodeId}-${index}`, { ...change, nodeId }));
    }
    return this;
  }

  all(): readonly NodeInfo[] {
    return [...this.infos.values()];
  }

  get(id: string): NodeInfo | undefined {
    return this.infos.get(id);
  }
}

function pending(count: number, spec: Partial<TaskSpec> = {}, change: TaskChange = {}): readonly Task[] {
  return Array.from({ length: count }, (_, index) => testTask(`task${index}`, { state: "pending", nodeId: "", spec: taskSpec({}, spec), ...change }));
}

/** Where the tasks went: `{ n1: 2, "no suitable node (…)": 1 }`. */
function place(pool: Pool, tasks: readonly Task[], nowMs = 0): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const decision of planAssignments(tasks, pool, nowMs)) {
    const key = decision.type === "assign" ? decision.nodeId : decision.error;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const reserve = (nanoCpus: bigint, memoryBytes: bigint): Partial<TaskSpec> => ({
  resources: { limits: null, reservations: { nanoCpus, memoryBytes, generic: [] } },
});
const constrain = (...constraints: readonly string[]): Partial<TaskSpec> => ({ placement: { constraints, preferences: [], maxReplicas: 0, platforms: [] } });
const runsOn = (...platforms: readonly (readonly [architecture: string, os: string])[]): Partial<TaskSpec> => ({
  placement: { constraints: [], preferences: [], maxReplicas: 0, platforms: platforms.map(([architecture, os]) => ({ architecture, os })) },
});
const plugins = (...all: readonly (readonly [type: string, name: string])[]) => ({
  description: { engine: { engineVersion: "", labels: {}, plugins: all.map(([type, name]) => ({ type, name })) } },
});
const spreadOver = (...descriptors: readonly string[]): Partial<TaskSpec> => ({
  placement: { constraints: [], preferences: descriptors.map((descriptor) => ({ descriptor })), maxReplicas: 0, platforms: [] },
});
const hostPort = (publishedPort: number, protocol: PortConfig["protocol"] = "tcp"): TaskChange => ({
  endpoint: { spec: null, ports: [{ name: "", protocol, targetPort: 80, publishedPort, publishMode: "host" }], virtualIps: [] },
});

describe("filters and what they say", () => {
  const two = () => new Pool().node("n1").node("n2");
  test.each<[string, Pool, readonly Task[], Readonly<Record<string, number>>]>([
    ["no nodes", new Pool(), pending(1), { "no suitable node": 1 }],
    [
      "a constraint that cannot be read",
      new Pool().node("n1"),
      pending(1, constrain("nonsense")),
      { "no suitable node (scheduling constraints not satisfied on 1 node)": 1 },
    ],
    ["one node paused", new Pool().node("n1", { availability: "pause" }), pending(1), { "no suitable node (1 node not available for new tasks)": 1 }],
    [
      "nodes down, unknown and drained",
      new Pool().node("n1", { state: "down" }).node("n2", { state: "unknown" }).node("n3", { availability: "drain" }),
      pending(1),
      { "no suitable node (3 nodes not available for new tasks)": 1 },
    ],
    ["cpu", two(), pending(1, reserve(5_000_000_000n, 0n)), { "no suitable node (insufficient resources on 2 nodes)": 1 }],
    ["memory", two(), pending(1, reserve(0n, 9n * GIB)), { "no suitable node (insufficient resources on 2 nodes)": 1 }],
    ["cpu fills up", two(), pending(3, reserve(3_000_000_000n, 0n)), { n1: 1, n2: 1, "no suitable node (insufficient resources on 2 nodes)": 1 }],
    ["memory fills up", two(), pending(3, reserve(0n, 5n * GIB)), { n1: 1, n2: 1, "no suitable node (insufficient resources on 2 nodes)": 1 }],
    ["all that a node has", new Pool().node("n1"), pending(1, reserve(4_000_000_000n, 8n * GIB)), { n1: 1 }],
    [
      "memory of a node that lacks cpu",
      new Pool().node("n1").load({ n1: 1 }, { spec: taskSpec({}, reserve(5_000_000_000n, 0n)) }),
      pending(1, reserve(0n, GIB)),
      { n1: 1 },
    ],
    [
      "cpu of a node that lacks memory",
      new Pool().node("n1").load({ n1: 1 }, { spec: taskSpec({}, reserve(0n, 9n * GIB)) }),
      pending(1, reserve(1_000_000_000n, 0n)),
      { n1: 1 },
    ],
    [
      "limits do not count",
      two(),
      pending(2, { resources: { limits: { nanoCpus: 99_000_000_000n, memoryBytes: 99n * GIB, pids: 0n }, reservations: null } }),
      { n1: 1, n2: 1 },
    ],
    ["a log driver that no node has", two(), pending(1, { logDriver: { name: "syslog", options: {} } }), { "no suitable node (missing plugin on 2 nodes)": 1 }],
    ["the log driver none", two(), pending(1, { logDriver: { name: "none", options: {} } }), { n1: 1 }],
    [
      "nodes that list no log plugins",
      new Pool().node("n1", { description: { engine: { engineVersion: "", labels: {}, plugins: [] } } }),
      pending(1, { logDriver: { name: "syslog", options: {} } }),
      { n1: 1 },
    ],
    [
      "a log driver among others, with a tag",
      new Pool().node("n1", plugins(["Log", "json-file"], ["Log", "syslog:latest"])),
      pending(1, { logDriver: { name: "syslog", options: {} } }),
      { n1: 1 },
    ],
    [
      "plugins that are not for logs",
      new Pool().node("n1", plugins(["Volume", "local"])),
      pending(1, { logDriver: { name: "syslog", options: {} } }),
      { n1: 1 },
    ],
    ["constraints", two(), pending(1, constrain("node.hostname==n3")), { "no suitable node (scheduling constraints not satisfied on 2 nodes)": 1 }],
    ["constraints met", two(), pending(2, constrain("node.hostname==n2")), { n2: 2 }],
    [
      "platform",
      two(),
      pending(1, { placement: { constraints: [], preferences: [], maxReplicas: 0, platforms: [{ architecture: "arm64", os: "linux" }] } }),
      { "no suitable node (unsupported platform on 2 nodes)": 1 },
    ],
    [
      "the same platform by its other name",
      new Pool().node("n1"),
      pending(1, { placement: { constraints: [], preferences: [], maxReplicas: 0, platforms: [{ architecture: "amd64", os: "" }] } }),
      { n1: 1 },
    ],
    ["one platform of several", new Pool().node("n1"), pending(1, runsOn(["arm64", "linux"], ["x86_64", "linux"])), { n1: 1 }],
    ["any architecture", new Pool().node("n1"), pending(1, runsOn(["", "LINUX"])), { n1: 1 }],
    ["another system", new Pool().node("n1"), pending(1, runsOn(["", "windows"])), { "no suitable node (unsupported platform on 1 node)": 1 }],
    [
      "arm64 by its other name",
      new Pool().node("n1", { description: { platform: { architecture: "aarch64", os: "linux" } } }),
      pending(1, runsOn(["arm64", "linux"])),
      { n1: 1 },
    ],
    ["a node that does not say its platform", new Pool().node("n1", { description: { platform: null } }), pending(1, runsOn(["arm64", "linux"])), { n1: 1 }],
    [
      "one host port of two",
      new Pool().node("n1").load({ n1: 1 }, { serviceId: "s2", ...hostPort(80) }),
      pending(1, {}, { endpoint: { ...hostPort(80).endpoint!, ports: [...hostPort(81).endpoint!.ports, ...hostPort(80).endpoint!.ports] } }),
      { "no suitable node (host-mode port already in use on 1 node)": 1 },
    ],
    ["host ports", two(), pending(3, {}, hostPort(80)), { n1: 1, n2: 1, "no suitable node (host-mode port already in use on 2 nodes)": 1 }],
    [
      "host ports of another protocol",
      new Pool().node("n1").load({ n1: 1 }, { serviceId: "s2", ...hostPort(80, "udp") }),
      pending(1, {}, hostPort(80)),
      { n1: 1 },
    ],
    ["host ports that the node chooses", new Pool().node("n1"), pending(3, {}, hostPort(0)), { n1: 3 }],
    [
      "max replicas",
      two(),
      pending(5, { placement: { constraints: [], preferences: [], maxReplicas: 2, platforms: [] } }),
      { n1: 2, n2: 2, "no suitable node (max replicas per node limit exceed)": 1 },
    ],
    [
      "several reasons, the most frequent first",
      new Pool().node("n1", { availability: "drain" }).node("n2").node("n3"),
      pending(1, constrain("node.hostname==n1")),
      { "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)": 1 },
    ],
  ])("%s", (_, pool, tasks, expected) => {
    expect(place(pool, tasks)).toEqual(expected);
  });
});

describe("spread", () => {
  test("fewest tasks of the service first, then fewest tasks at all", () => {
    expect(place(new Pool().node("n1").node("n2").node("n3").load({ n1: 3, n2: 1 }), pending(5))).toEqual({ n2: 2, n3: 3 });
    expect(place(new Pool().node("n1").node("n2").load({ n1: 2 }, { serviceId: "other" }), pending(1))).toEqual({ n2: 1 });
    expect(place(new Pool().node("n1").node("n2").load({ n1: 9 }, { serviceId: "other" }), pending(4))).toEqual({ n1: 2, n2: 2 });
  });

  test("tasks on their way out do not count", () => {
    expect(place(new Pool().node("n1").node("n2").load({ n1: 3 }, { desiredState: "shutdown" }).load({ n2: 1 }, { serviceId: "other" }), pending(1))).toEqual({
      n1: 1,
    });
  });

  test("a node where the service keeps failing comes last, until five minutes have passed", () => {
    const pool = new Pool().node("n1").node("n2");
    for (let index = 0; index < 5; index++) pool.get("n1")!.noteFailure("service1/1", 1_000);
    expect(place(pool, pending(3), 2_000)).toEqual({ n2: 3 });
    for (const task of pending(3)) pool.get("n2")!.remove(task.id);
    expect(place(pool, pending(2), 1_000 + 5 * 60_000)).toEqual({ n1: 1, n2: 1 });
  });

  test("fewer failures than that do not matter, nor do those of another spec", () => {
    const pool = new Pool().node("n1").node("n2");
    for (let index = 0; index < 4; index++) pool.get("n1")!.noteFailure("service1/1", 1_000);
    for (let index = 0; index < 9; index++) pool.get("n2")!.noteFailure("service1/0", 1_000);
    expect(place(pool, pending(2), 2_000)).toEqual({ n1: 1, n2: 1 });
  });

  test("a preference balances over groups of nodes, not over nodes", () => {
    const pool = new Pool()
      .node("a1", { labels: { zone: "a" } })
      .node("a2", { labels: { zone: "a" } })
      .node("a3", { labels: { zone: "a" } })
      .node("b1", { labels: { zone: "b" } });
    expect(place(pool, pending(6, spreadOver("node.labels.zone")))).toEqual({ a1: 1, a2: 1, a3: 1, b1: 3 });
  });

  test("nodes without the label are a group too; other descriptors are ignored", () => {
    const pool = () =>
      new Pool()
        .node("a1", { labels: { zone: "a" } })
        .node("x1")
        .node("x2");
    expect(place(pool(), pending(4, spreadOver("node.labels.zone")))).toEqual({ a1: 2, x1: 1, x2: 1 });
    expect(place(pool(), pending(3, spreadOver("node.hostname")))).toEqual({ a1: 1, x1: 1, x2: 1 });
  });

  test("levels divide further, and a full group overflows into the others", () => {
    const pool = new Pool()
      .node("a1", { labels: { zone: "a", rack: "1" } })
      .node("a2", { labels: { zone: "a", rack: "1" } })
      .node("a3", { labels: { zone: "a", rack: "2" } })
      .node("b1", { labels: { zone: "b", rack: "1" } });
    const placement = { constraints: [], preferences: [{ descriptor: "node.labels.zone" }, { descriptor: "node.labels.rack" }], maxReplicas: 4, platforms: [] };
    expect(place(pool, pending(8, { placement }))).toEqual({ a1: 1, a2: 1, a3: 2, b1: 4 });
    for (const info of pool.all()) for (const task of pending(8)) info.remove(task.id);
    expect(place(pool, pending(12, { placement }))).toMatchObject({ b1: 4, a3: 4 });
  });

  test("many tasks over many nodes", () => {
    const pool = new Pool();
    for (let index = 0; index < 200; index++) pool.node(`n${index}`);
    const start = processorMs();
    const counts = Object.values(place(pool, pending(5_000)));
    expect([Math.min(...counts), Math.max(...counts)]).toEqual([25, 25]);
    expect(processorMs() - start).toBeLessThan(3_000);
  });
});

test("very many tasks that no node can take are looked at in no time", () => {
  const tasks = pending(20_000);
  const start = processorMs();
  expect(planAssignments(tasks, new Pool(), 0)).toHaveLength(20_000);
  expect(processorMs() - start).toBeLessThan(1_000);
});

describe("preassigned tasks", () => {
  test("are confirmed on their node, or told why not", () => {
    const pool = new Pool().node("n1").node("n2", { availability: "pause" });
    const [one, two] = pending(2, reserve(3_000_000_000n, 0n));
    const tasks = [
      { ...one!, nodeId: "n1" },
      { ...two!, nodeId: "n2" },
    ];
    for (const task of tasks) pool.get(task.nodeId)!.put(task);
    expect(planAssignments(tasks, pool, 0)).toMatchObject([
      { type: "assign", nodeId: "n1", message: "scheduler confirmed task can run on preassigned node" },
      { type: "explain", error: "no suitable node (1 node not available for new tasks)" },
    ]);
  });

  test("a node that is gone", () => {
    expect(planAssignments(pending(1, {}, { nodeId: "gone" }), new Pool(), 0)).toMatchObject([{ type: "explain", error: "no suitable node" }]);
  });
});
