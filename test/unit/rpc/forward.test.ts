import { afterEach, expect, test } from "vitest";
import { controlHandlers } from "../../../src/api/grpc/control.js";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { type Deferred, deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import { ForwardClient } from "../../../src/rpc/forward-client.js";
import { SAID_BY_LEADER } from "../../../src/rpc/forward-stream.js";
import { type ControlReply, type ControlRequest, ControlService } from "../../../src/wire/generated/control.js";
import { Opened } from "../../support/disposables.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { until } from "../../support/until.js";

const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

const DONE: ControlReply = { type: "done", done: {} };
const removal = (serviceId: string): ControlRequest => ({ type: "removeService", removeService: { serviceId } });
const nameOf = (request: ControlRequest) => (request.type === "removeService" ? request.removeService.serviceId : request.type);

/** A manager whose control answers each write when the test says so. */
async function manager(nodeId: string) {
  const executed: { name: string; outcome: Deferred<ControlReply> }[] = [];
  const state = { leads: true, answersAtOnce: false };
  const control = {
    execute(request: ControlRequest) {
      const outcome = deferred<ControlReply>();
      executed.push({ name: nameOf(request), outcome });
      if (state.answersAtOnce) outcome.resolve(DONE);
      return outcome.promise;
    },
  };
  const server = opened
    .use(ca.server(ca.identity(nodeId)))
    .add(ControlService, controlHandlers({ control: () => (state.leads ? control : null), leaderAddress: () => "10.0.0.1:2377", incarnation }));
  const port = await server.listen("127.0.0.1:0");
  const take = async (name: string) => {
    await until(`the leader executes ${name}`, () => executed.some((write) => write.name === name));
    return executed.find((write) => write.name === name)!.outcome;
  };
  return { server, port, leader: { nodeId, address: `127.0.0.1:${port}` }, executed, state, take };
}

const incarnation = () => ({ incarnation: "i1", formerIncarnations: ["i0"] });
const clientWith = (clock = systemClock) => opened.use(new ForwardClient({ identity: ca.identity("m9"), clock, incarnation: "i1" }));

test("a write of another incarnation of the cluster is refused, with what to do, and nothing is done", async () => {
  const { leader, executed } = await manager("m1");
  for (const [theirs, reason] of [
    ["i0", /founded anew, as incarnation i1, without the managers of incarnation i0: leave it by force on this node/],
    ["i2", /knows nothing of incarnation i2/],
  ] as const) {
    const client = opened.use(new ForwardClient({ identity: ca.identity("m9"), clock: systemClock, incarnation: theirs }));
    client.setLeader(leader);
    await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringMatching(reason) });
  }
  expect(executed).toEqual([]);
});

test("a place among the managers is asked for by its own node alone", async () => {
  const { leader, executed } = await manager("m1");
  const client = clientWith();
  client.setLeader(leader);
  for (const request of [
    { type: "joinMember", joinMember: { nodeId: "m2", address: "10.0.0.9:2377" } },
    { type: "leaveMember", leaveMember: { nodeId: "m2" } },
  ] as const) {
    await expect(client.execute(request)).rejects.toMatchObject({ code: "permission_denied", message: "node m9 cannot ask for the place of node m2" });
  }
  expect(executed).toEqual([]);
});

test("writes begin in order, and are answered as they finish", async () => {
  const { leader, take, executed } = await manager("m1");
  const client = clientWith();
  client.setLeader(leader);
  const first = expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "conflict", message: "update out of sequence" });
  const second = expect(client.execute(removal("b"))).rejects.toMatchObject({ code: "internal", message: "boom" });
  const third = client.execute(removal("c"));
  (await take("c")).resolve(DONE);
  expect(await third).toEqual(DONE);
  expect(executed.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  (await take("a")).reject(new ClusterError("conflict", "update out of sequence"));
  await first;
  (await take("b")).reject(new TypeError("boom"));
  await second;
});

test("what the leader answers can be told from no answer", async () => {
  const { leader, take } = await manager("m1");
  const client = clientWith();
  client.setLeader(leader);
  const refused = client.execute(removal("a")).catch((cause: unknown) => cause);
  (await take("a")).reject(new ClusterError("unavailable", "100000 writes are waiting", { details: { more: "1" } }));
  expect(await refused).toMatchObject({ code: "unavailable", message: "100000 writes are waiting", details: { more: "1", [SAID_BY_LEADER]: "true" } });
  const elsewhere = clientWith();
  elsewhere.setLeader({ ...leader, address: "127.0.0.1:1" });
  const unreachable: unknown = await elsewhere.execute(removal("b")).catch((cause: unknown) => cause);
  expect(unreachable).toMatchObject({ code: "unavailable", details: expect.not.objectContaining({ [SAID_BY_LEADER]: "true" }) });
});

test("without a leader nothing is sent", async () => {
  const { leader, executed } = await manager("m1");
  const client = clientWith();
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "no_leader" });
  client.setLeader(leader);
  client.setLeader(null);
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "no_leader" });
  expect(executed).toEqual([]);
});

test("a manager that does not lead says so, and nothing is proposed", async () => {
  const { leader, state, executed } = await manager("m1");
  state.leads = false;
  const client = clientWith();
  client.setLeader(leader);
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "no_leader", details: { leader: "10.0.0.1:2377" } });
  expect(executed).toEqual([]);
});

test("when the stream breaks, what was sent has an unknown outcome, and a new stream serves the next write", async () => {
  const { leader, port, take, state } = await manager("m1");
  const proxy = opened.use(await TcpProxy.start(port));
  const client = clientWith();
  client.setLeader({ ...leader, address: proxy.address });
  const lost = expect(client.execute(removal("lost"))).rejects.toMatchObject({ code: "outcome_unknown" });
  await take("lost");
  proxy.cut();
  await lost;
  state.answersAtOnce = true;
  await until("a write gets through again", () =>
    client.execute(removal("next")).then(
      () => true,
      (cause: ClusterError) => {
        expect(cause.code).toBe("unavailable");
        return false;
      },
    ),
  );
});

test("what was not sent is unavailable: nobody there", async () => {
  const client = clientWith();
  client.setLeader({ nodeId: "m1", address: "127.0.0.1:1" });
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("127.0.0.1:1") });
});

test("what was not sent is unavailable: another manager at the leader's address", async () => {
  const { leader, executed } = await manager("m2");
  const client = clientWith();
  client.setLeader({ ...leader, nodeId: "m1" });
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "unavailable" });
  expect(executed).toEqual([]);
});

test("a worker's writes are refused, and never reach the leader's control", async () => {
  const { leader, executed } = await manager("m1");
  const client = opened.use(new ForwardClient({ identity: ca.identity("w1", "worker"), clock: systemClock, incarnation: "i1" }));
  client.setLeader(leader);
  await expect(client.execute(removal("a"))).rejects.toMatchObject({ code: "permission_denied", message: expect.stringContaining("not open to node w1") });
  expect(executed).toEqual([]);
});

test("a former leader may answer what it was sent; the new one gets what comes after", async () => {
  const [old, next] = [await manager("m1"), await manager("m2")];
  next.state.answersAtOnce = true;
  const client = clientWith();
  client.setLeader(old.leader);
  const first = client.execute(removal("first"));
  const outcome = await old.take("first");
  client.setLeader(next.leader);
  expect(await client.execute(removal("second"))).toEqual(DONE);
  expect(next.executed.map(({ name }) => name)).toEqual(["second"]);
  outcome.resolve(DONE);
  expect(await first).toEqual(DONE);
});

test("a former leader that does not answer in time leaves an unknown outcome", async () => {
  const old = await manager("m1");
  const clock = new FakeClock(Date.now());
  const client = clientWith(clock);
  client.setLeader(old.leader);
  const first = expect(client.execute(removal("first"))).rejects.toMatchObject({ code: "outcome_unknown" });
  await old.take("first");
  client.setLeader(null);
  await clock.advance(5_000);
  await first;
});

test("a leader that still leads may take its time for what it was sent before the certificate was replaced; a former one may not", async () => {
  const { leader, take, state } = await manager("m1");
  const clock = new FakeClock(Date.now());
  const identity = ca.identity("m9");
  const client = opened.use(new ForwardClient({ identity, clock, incarnation: "i1" }));
  client.setLeader(leader);
  const slow = client.execute(removal("slow"));
  const lost = expect(client.execute(removal("lost"))).rejects.toMatchObject({ code: "outcome_unknown" });
  const outcome = await take("slow");
  await take("lost");
  identity.replace(ca.identity("m9").credentials);
  await clock.advance(60_000);
  state.answersAtOnce = true;
  expect(await client.execute(removal("next"))).toEqual(DONE);
  outcome.resolve(DONE);
  expect(await slow).toEqual(DONE);
  client.setLeader(null);
  await clock.advance(5_000);
  await lost;
});

test("a client that stops leaves nothing open", async () => {
  const { leader, take } = await manager("m1");
  const client = new ForwardClient({ identity: ca.identity("m9"), clock: systemClock, incarnation: "i1" });
  client.setLeader(leader);
  const lost = expect(client.execute(removal("lost"))).rejects.toMatchObject({ code: "outcome_unknown" });
  await take("lost");
  await client[Symbol.asyncDispose]();
  await lost;
  await expect(client.execute(removal("late"))).rejects.toMatchObject({ code: "no_leader" });
});

test("thousands of writes at once all get their own answer", async () => {
  const { leader, state, executed } = await manager("m1");
  state.answersAtOnce = true;
  const client = clientWith();
  client.setLeader(leader);
  const replies = await Promise.all(Array.from({ length: 5_000 }, (_, at) => client.execute(removal(`${at}`))));
  expect(replies).toHaveLength(5_000);
  expect(executed.map(({ name }) => name)).toEqual(Array.from({ length: 5_000 }, (_, at) => `${at}`));
});
