import { describe, expect, test } from "vitest";
import type { LogBatch, LogMessage, LogOptions, LogSubscription, PublishLogsMessage } from "../../../../src/wire/generated/dispatcher.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { testTask } from "../../../support/services.js";

const OPTIONS: LogOptions = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1n };
const FOREVER = new AbortController().signal;

async function world(...connected: readonly string[]): Promise<ManagerWorld> {
  const cluster = new ManagerWorld(["n1", "n2"]);
  await cluster.leadWithoutDecisions();
  await cluster.connect(...connected);
  return cluster;
}

async function addTasks(cluster: ManagerWorld, nodes: Readonly<Record<string, string>>): Promise<void> {
  await cluster.write((tx) => {
    for (const [id, nodeId] of Object.entries(nodes)) {
      tx.create("task", testTask(id, { serviceId: "other", nodeId, state: nodeId === "" ? "pending" : "running" }));
    }
  });
}

/** A node's side of the conversation. */
class LogAgent {
  readonly subscriptions: LogSubscription[] = [];
  readonly #cluster: ManagerWorld;
  readonly #nodeId: string;
  readonly #stop = new AbortController();
  readonly ended: Promise<unknown>;

  constructor(cluster: ManagerWorld, nodeId: string) {
    this.#cluster = cluster;
    this.#nodeId = nodeId;
    this.ended = this.#listen().catch((cause: unknown) => cause);
  }

  async #listen(): Promise<void> {
    const { caller, sessionId } = this.#cluster.agents.get(this.#nodeId)!;
    for await (const subscription of this.#cluster.manager.logBroker.listen(caller, { sessionId }, this.#stop.signal)) this.subscriptions.push(subscription);
  }

  publish(...batches: readonly (readonly [readonly LogMessage[], Partial<PublishLogsMessage>?])[]): Promise<void> {
    const { caller, sessionId } = this.#cluster.agents.get(this.#nodeId)!;
    const subscriptionId = this.subscriptions.at(-1)?.id ?? "";
    return this.#cluster.manager.logBroker.publish(
      caller,
      (async function* () {
        for (const [messages, change] of batches) yield { subscriptionId, sessionId, messages, close: false, error: "", ...change };
      })(),
    );
  }

  stop(): void {
    this.#stop.abort();
  }
}

function line(taskId: string, text: string): LogMessage {
  return { nodeId: "", serviceId: "other", taskId, stream: "stdout", timestampNs: 1n, data: Buffer.from(text), attributes: {} };
}

/** Collects what a subscriber gets. */
function subscribe(cluster: ManagerWorld, taskIds: readonly string[], options: Partial<LogOptions> = {}, signal = FOREVER) {
  const seen = { lines: [] as string[], missing: [] as string[], isOver: false, error: null as unknown };
  const read = async () => {
    const batches: AsyncIterable<LogBatch> = cluster.manager.logBroker.subscribe(
      { selector: { serviceIds: [], taskIds, nodeIds: [] }, options: { ...OPTIONS, ...options } },
      signal,
    );
    for await (const batch of batches) {
      seen.lines.push(...batch.messages.map((message) => `${message.nodeId} ${Buffer.from(message.data).toString()}`));
      seen.missing.push(...batch.missing);
    }
    seen.isOver = true;
  };
  const ended = read().catch((cause: unknown) => {
    seen.error = cause;
  });
  return { seen, ended };
}

describe("without follow", () => {
  test("ends when every node has sent what it has", async () => {
    await using cluster = await world("n1", "n2");
    await addTasks(cluster, { a: "n1", b: "n2" });
    const [one, two] = [new LogAgent(cluster, "n1"), new LogAgent(cluster, "n2")];
    await cluster.settle();
    const { seen, ended } = subscribe(cluster, ["a", "b"]);
    await cluster.settle();
    expect(one.subscriptions).toMatchObject([{ taskIds: ["a"], close: false, options: OPTIONS }]);
    await one.publish([[line("a", "1")]], [[line("a", "2")], { close: true }]);
    await cluster.settle();
    expect(seen).toMatchObject({ lines: ["n1 1", "n1 2"], isOver: false });
    await two.publish([[], { close: true }]);
    await ended;
    expect(seen).toMatchObject({ isOver: true, missing: [], error: null });
    await cluster.settle();
    expect(one.subscriptions.at(-1)).toMatchObject({ close: true });
  });

  test("names what cannot answer: nodes that do not listen, tasks without a node", async () => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1", b: "n2", c: "" });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const { seen, ended } = subscribe(cluster, ["a", "b", "c"]);
    await cluster.settle();
    await one.publish([[line("a", "1")], { close: true }]);
    await ended;
    expect(seen).toMatchObject({ lines: ["n1 1"], missing: ["node n2 is not available", "task c has not been scheduled"], isOver: true });
  });

  test("a node that goes down, breaks off or fails does not hold up the reader", async () => {
    await using cluster = await world("n1", "n2");
    await addTasks(cluster, { a: "n1", b: "n2" });
    const [one] = [new LogAgent(cluster, "n1"), new LogAgent(cluster, "n2")];
    await cluster.settle();
    const { seen, ended } = subscribe(cluster, ["a", "b"]);
    await cluster.settle();
    await one.publish([[line("a", "1")], { close: true, error: "log file is gone" }]);
    cluster.agents.get("n2")!.beats = false;
    await cluster.advance(8_000);
    await ended;
    expect(seen).toMatchObject({ lines: ["n1 1"], missing: ["node n1: log file is gone", "node n2 is not available"], isOver: true });
  });

  test("nothing to read", async () => {
    await using cluster = await world();
    const { seen, ended } = subscribe(cluster, []);
    await ended;
    expect(seen).toMatchObject({ isOver: true, missing: [] });
  });
});

describe("with follow", () => {
  test("new tasks are read too, and the reader decides when it ends", async () => {
    await using cluster = await world("n1", "n2");
    await addTasks(cluster, { a: "n1" });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const hangUp = new AbortController();
    const request = { selector: { serviceIds: [], taskIds: [], nodeIds: ["n1", "n2"] }, options: { ...OPTIONS, follow: true } };
    const lines: string[] = [];
    const reading = (async () => {
      for await (const { messages } of cluster.manager.logBroker.subscribe(request, hangUp.signal)) lines.push(...messages.map(({ taskId }) => taskId));
    })();
    await cluster.settle();
    await addTasks(cluster, { a2: "n1" });
    await cluster.settle();
    await one.publish([[line("a", "1")], { close: true }]);
    await addTasks(cluster, { b: "n1", c: "n2" });
    await cluster.settle();
    expect(one.subscriptions.map(({ taskIds }) => taskIds)).toEqual([["a"], ["a", "a2"], ["b"]]);
    const two = new LogAgent(cluster, "n2");
    await cluster.settle();
    expect(two.subscriptions.map(({ taskIds }) => taskIds)).toEqual([["c"]]);
    await two.publish([[line("c", "1")]]);
    await cluster.settle();
    expect(lines).toEqual(["a", "c"]);
    hangUp.abort();
    await reading;
    await cluster.settle();
    expect(two.subscriptions.at(-1)?.close).toBe(true);
  });

  test("a node that broke off goes on after its newest line", async () => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1" });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const { seen } = subscribe(cluster, ["a"], { follow: true, tail: 5n });
    await cluster.settle();
    await one.publish([[{ ...line("a", "1"), timestampNs: 70n }]]);
    one.stop();
    const again = new LogAgent(cluster, "n1");
    await cluster.settle();
    expect(again.subscriptions).toMatchObject([{ taskIds: ["a"], options: { sinceNs: 70n, tail: -1n, follow: true } }]);
    expect(seen).toMatchObject({ lines: ["n1 1"], missing: ["node n1: the node broke off"], isOver: false });
  });

  test("after a node broke off no line of any of its tasks is lost or comes twice", async () => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1", b: "n1" });
    const at = (taskId: string, ns: bigint) => ({ ...line(taskId, `${taskId}${ns}`), timestampNs: ns });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const all = subscribe(cluster, ["a", "b"], { follow: true }).seen;
    await cluster.settle();
    await one.publish([[at("a", 70n), at("b", 20n)]]);
    one.stop();
    const two = new LogAgent(cluster, "n1");
    await cluster.settle();
    expect(two.subscriptions).toMatchObject([{ taskIds: ["a", "b"], options: { sinceNs: 20n, tail: -1n } }]);
    await two.publish([[at("b", 20n), at("a", 70n), at("b", 30n), at("b", 30n), at("a", 80n)]]);
    await cluster.settle();
    expect(all.lines).toEqual(["n1 a70", "n1 b20", "n1 b30", "n1 b30", "n1 a80"]);
    two.stop();
  });

  test("lines of a node whose clock was set back after it broke off are not left out", async () => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1" });
    const at = (ns: bigint) => ({ ...line("a", `${ns}`), timestampNs: ns });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const { seen } = subscribe(cluster, ["a"], { follow: true });
    await cluster.settle();
    await one.publish([[at(70n)]]);
    one.stop();
    const two = new LogAgent(cluster, "n1");
    await cluster.settle();
    await two.publish([[at(70n), at(80n)]], [[at(40n), at(50n)]]);
    await cluster.settle();
    expect(seen.lines).toEqual(["n1 70", "n1 80", "n1 40", "n1 50"]);
    two.stop();
  });

  test("a node that broke off goes on after the line that came last, also when its clock was set back before or meanwhile", async () => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1", b: "n1" });
    const at = (taskId: string, ns: bigint) => ({ ...line(taskId, `${taskId}${ns}`), timestampNs: ns });
    const { seen } = subscribe(cluster, ["a", "b"], { follow: true });
    const a = [70n, 71n, 40n, 41n, 40n, 42n, 71n, 43n, 80n].map((ns) => at("a", ns));
    const b = [75n, 75n, 75n, 45n].map((ns) => at("b", ns));
    /** What a node sends that is asked for lines from a time on: as its log has them, from the first of that time. */
    const from = (lines: readonly LogMessage[], sinceNs: bigint) => {
      const first = lines.findIndex(({ timestampNs }) => timestampNs >= sinceNs);
      return first < 0 ? [] : lines.slice(first);
    };
    for (const [countA, countB] of [
      [4, 2],
      [6, 3],
      [7, 4],
      [8, 4],
      [9, 4],
    ] as const) {
      const node = new LogAgent(cluster, "n1");
      await cluster.settle();
      const sinceNs = node.subscriptions.at(-1)?.options?.sinceNs ?? 0n;
      await node.publish([[...from(a.slice(0, countA), sinceNs), ...from(b.slice(0, countB), sinceNs)]]);
      node.stop();
      await cluster.settle();
    }
    const linesOf = (taskId: string) => seen.lines.filter((text) => text.startsWith(`n1 ${taskId}`));
    expect(linesOf("a")).toEqual(["n1 a70", "n1 a71", "n1 a40", "n1 a41", "n1 a40", "n1 a42", "n1 a71", "n1 a43", "n1 a80"]);
    expect(linesOf("b")).toEqual(["n1 b75", "n1 b75", "n1 b75", "n1 b45"]);
  });

  test("after a node broke off a task of which nothing came is read from its beginning, or with a tail from where the others are", async () => {
    for (const [tail, sinceNs] of [
      [-1n, 5n],
      [0n, 70n],
    ] as const) {
      await using cluster = await world("n1");
      await addTasks(cluster, { a: "n1", b: "n1" });
      const one = new LogAgent(cluster, "n1");
      await cluster.settle();
      subscribe(cluster, ["a", "b"], { follow: true, tail, sinceNs: 5n });
      await cluster.settle();
      await one.publish([[{ ...line("a", "1"), timestampNs: 70n }]]);
      one.stop();
      const again = new LogAgent(cluster, "n1");
      await cluster.settle();
      expect(again.subscriptions).toMatchObject([{ taskIds: ["a", "b"], options: { sinceNs, tail: -1n } }]);
    }
  });

  test("a node is asked for a task once it may have written something", async () => {
    await using cluster = await world("n1");
    cluster.agents.get("n1")!.runs = false;
    const one = new LogAgent(cluster, "n1");
    await cluster.write((tx) => tx.create("task", testTask("a", { serviceId: "other", nodeId: "n1", state: "preparing" })));
    await cluster.settle();
    subscribe(cluster, ["a"], { follow: true });
    await cluster.settle();
    expect(one.subscriptions).toEqual([]);
    await cluster.write((tx) => tx.update("task", testTask("a", { serviceId: "other", nodeId: "n1", state: "starting" })));
    await cluster.settle();
    expect(one.subscriptions).toMatchObject([{ taskIds: ["a"] }]);
  });

  test.each([
    ["long lines", (id: string) => line(id, "x".repeat(400 * 1024))],
    ["empty lines of which much is said", (id: string) => ({ ...line(id, ""), attributes: { label: "x".repeat(400 * 1024) } })],
  ])("a slow reader makes the node wait: %s", async (_, blockOf) => {
    await using cluster = await world("n1");
    await addTasks(cluster, { a: "n1" });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const hangUp = new AbortController();
    const request = { selector: { serviceIds: [], taskIds: ["a"], nodeIds: [] }, options: { ...OPTIONS, follow: true } };
    const reader = cluster.manager.logBroker.subscribe(request, hangUp.signal);
    const first = reader.next();
    await cluster.settle();
    let sent = 0;
    const block = blockOf("a");
    const { caller, sessionId } = cluster.agents.get("n1")!;
    const subscriptionId = one.subscriptions[0]!.id;
    const publishing = cluster.manager.logBroker.publish(
      caller,
      (async function* () {
        for (; sent < 10; sent++) yield { subscriptionId, sessionId, messages: [block], close: false, error: "" };
      })(),
    );
    await first;
    await cluster.settle();
    expect(sent).toBeLessThan(6);
    let read = 1;
    while (read < 10) read += (await reader.next()).value?.messages.length ?? 0;
    await publishing;
    expect(sent).toBe(10);
    hangUp.abort();
    await reader.return();
  });
});

describe("refusals", () => {
  test.each<[Partial<LogOptions>, readonly string[], string]>([
    [{}, ["nope"], "not_found"],
    [{ stdout: false, stderr: false }, [], "invalid_argument"],
  ])("options %j, tasks %j: %s", async (options, taskIds, code) => {
    await using cluster = await world();
    const { seen, ended } = subscribe(cluster, taskIds, options);
    await ended;
    expect(seen.error).toMatchObject({ code });
  });

  test("a node may publish only for tasks that it was asked for", async () => {
    await using cluster = await world("n1", "n2");
    await addTasks(cluster, { a: "n1", b: "n2" });
    const [one] = [new LogAgent(cluster, "n1"), new LogAgent(cluster, "n2")];
    await cluster.settle();
    subscribe(cluster, ["a", "b"]);
    await cluster.settle();
    await expect(one.publish([[line("b", "forged")]])).rejects.toMatchObject({ code: "permission_denied" });
    await expect(one.publish([[line("a", "late")], { sessionId: "other" }])).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("a manager that stops leading ends its readers with an error", async () => {
    const cluster = await world("n1");
    await addTasks(cluster, { a: "n1" });
    const one = new LogAgent(cluster, "n1");
    await cluster.settle();
    const { seen, ended } = subscribe(cluster, ["a"], { follow: true });
    await cluster.settle();
    await cluster.depose();
    await ended;
    expect(seen.error).toMatchObject({ code: "unavailable" });
    expect(await one.ended).toMatchObject({ code: "unavailable" });
  });
});
