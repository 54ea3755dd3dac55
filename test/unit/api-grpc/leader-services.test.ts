import { afterEach, expect, test } from "vitest";
import { type Dispatcher, dispatcherHandlers, type NodeCaller } from "../../../src/api/grpc/dispatcher.js";
import { type LogBroker, logsHandlers } from "../../../src/api/grpc/logs.js";
import { systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import type { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { DispatcherService, LogsService, type PublishLogsMessage } from "../../../src/wire/generated/dispatcher.js";
import { Opened } from "../../support/disposables.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { until } from "../../support/until.js";

const ca = new TestCa();
const worker = ca.identity("w1", "worker");
const opened = new Opened();
afterEach(() => opened.close());

/** Remembers who asked what. */
class RecordingLeader implements Dispatcher, LogBroker {
  readonly calls: { name: string; caller: NodeCaller | null; request: unknown }[] = [];
  readonly published: PublishLogsMessage[] = [];
  sessionSignal: AbortSignal | null = null;

  async *session(caller: NodeCaller, request: unknown, signal: AbortSignal) {
    this.#note("session", caller, request);
    this.sessionSignal = signal;
    yield { sessionId: "s1", node: null, managers: [{ nodeId: "m1", address: "a:1" }], rootCertificate: "pem" };
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }
  async heartbeat(caller: NodeCaller, request: { sessionId: string }) {
    this.#note("heartbeat", caller, request);
    if (request.sessionId === "") throw new ClusterError("invalid_argument", "unknown session");
    return { periodNs: 2_000_000_000n };
  }
  async updateTaskStatus(caller: NodeCaller, request: unknown) {
    this.#note("updateTaskStatus", caller, request);
  }
  async updateDescription(caller: NodeCaller, request: unknown) {
    this.#note("updateDescription", caller, request);
  }
  async *assignments(caller: NodeCaller, request: unknown) {
    this.#note("assignments", caller, request);
    yield { kind: "complete", appliesTo: "", resultsIn: "1", changes: [{ type: "removeTask", removeTask: "t1" }] } as const;
  }
  async *subscribe(request: unknown) {
    this.#note("subscribe", null, request);
    yield { messages: [], missing: ["n1 is down"] };
  }
  async *listen(caller: NodeCaller, request: unknown) {
    this.#note("listen", caller, request);
    yield { id: "l1", taskIds: ["t1"], options: null, close: false };
  }
  async publish(caller: NodeCaller, messages: AsyncIterable<PublishLogsMessage>) {
    this.#note("publish", caller, null);
    for await (const message of messages) this.published.push(message);
  }

  #note(name: string, caller: NodeCaller | null, request: unknown): void {
    this.calls.push({ name, caller: caller === null ? null : { nodeId: caller.nodeId, address: caller.address }, request });
  }
}

async function serve(leader: RecordingLeader | null, leaderAddress = "") {
  const server = opened
    .use(ca.server(ca.identity("m1")))
    .add(DispatcherService, dispatcherHandlers({ leader: () => (leader === null ? null : { dispatcher: leader }), leaderAddress: () => leaderAddress }))
    .add(LogsService, logsHandlers({ leader: () => (leader === null ? null : { logs: leader }), leaderAddress: () => leaderAddress }));
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  return (identity: LiveIdentity) => {
    const connection = opened.use(new Connection({ address, clock: systemClock, security: { type: "mutual", identity } }));
    return { dispatcher: createClient(connection, DispatcherService), logs: createClient(connection, LogsService) };
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

test("an agent's calls reach the leader's dispatcher with who it is", async () => {
  const leader = new RecordingLeader();
  const { dispatcher } = (await serve(leader))(worker);
  const caller = { nodeId: "w1", address: "127.0.0.1" };
  expect(await dispatcher.heartbeat({ sessionId: "s1" })).toEqual({ periodNs: 2_000_000_000n });
  expect(await dispatcher.updateTaskStatus({ sessionId: "s1", updates: [] })).toEqual({});
  expect(await dispatcher.updateDescription({ sessionId: "s1", description: null })).toEqual({});
  expect(await all(dispatcher.assignments({ sessionId: "s1" }))).toEqual([
    { kind: "complete", appliesTo: "", resultsIn: "1", changes: [{ type: "removeTask", removeTask: "t1" }] },
  ]);
  await expect(dispatcher.heartbeat({ sessionId: "" })).rejects.toMatchObject({ code: "invalid_argument", message: "unknown session" });
  expect(leader.calls).toEqual([
    { name: "heartbeat", caller, request: { sessionId: "s1" } },
    { name: "updateTaskStatus", caller, request: { sessionId: "s1", updates: [] } },
    { name: "updateDescription", caller, request: { sessionId: "s1", description: null } },
    { name: "assignments", caller, request: { sessionId: "s1" } },
    { name: "heartbeat", caller, request: { sessionId: "" } },
  ]);
});

test("a session that its agent leaves ends at the dispatcher", async () => {
  const leader = new RecordingLeader();
  const { dispatcher } = (await serve(leader))(worker);
  const controller = new AbortController();
  const session = dispatcher.session({ description: null, sessionId: "", incarnation: "i1" }, { signal: controller.signal });
  expect((await session.next()).value).toMatchObject({ sessionId: "s1", rootCertificate: "pem" });
  const rest = expect(session.next()).rejects.toThrow("agent stops");
  controller.abort(new Error("agent stops"));
  await rest;
  await until("the dispatcher is told", () => leader.sessionSignal?.aborted === true);
});

test("logs go from agents to managers", async () => {
  const leader = new RecordingLeader();
  const connect = await serve(leader);
  const { logs } = connect(worker);
  expect(await all(logs.listenSubscriptions({ sessionId: "s1" }))).toEqual([{ id: "l1", taskIds: ["t1"], options: null, close: false }]);
  const sent = ["a", "b"].map((error) => ({ subscriptionId: "l1", sessionId: "s1", messages: [], close: error === "b", error }));
  async function* messages() {
    yield* sent;
  }
  expect(await logs.publishLogs(messages())).toEqual({});
  expect(leader.published).toEqual(sent);
  expect(await all(connect(ca.identity("m2")).logs.subscribeLogs({ selector: null, options: null }))).toEqual([{ messages: [], missing: ["n1 is down"] }]);
});

test.each([
  ["10.0.0.7:2377", "not the leader, which is at 10.0.0.7:2377"],
  ["", "not the leader, and none is known"],
])("a follower says where the leader is: %j", async (leaderAddress, message) => {
  const { dispatcher, logs } = (await serve(null, leaderAddress))(worker);
  const refusal = { code: "unavailable", message, details: { leader: leaderAddress } };
  await expect(dispatcher.heartbeat({ sessionId: "s1" })).rejects.toMatchObject(refusal);
  await expect(dispatcher.session({ description: null, sessionId: "", incarnation: "" }).next()).rejects.toMatchObject(refusal);
  await expect(all(logs.listenSubscriptions({ sessionId: "s1" }))).rejects.toMatchObject(refusal);
});
