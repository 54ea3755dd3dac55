import { afterEach, beforeEach, expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { eventually } from "../../support/eventually.js";
import { assignedTask } from "../../support/tasks.js";
import { Harness } from "./harness.js";

let node: Harness;

beforeEach(async () => {
  node = new Harness();
  node.start();
  await eventually("a session", () => node.manager.assignmentStreams === 1 && node.manager.heartbeats === 1);
});

afterEach(() => node.dispose());

const runs = async (taskId: string) => {
  node.manager.assign(assignedTask(taskId));
  await eventually(`${taskId} runs`, () => node.stateOf(taskId) === "running");
};

test("heartbeats keep the period that the manager asks for", async () => {
  for (let beats = 2; beats < 6; beats++) {
    await node.clock.advance(1_999);
    expect(node.manager.heartbeats).toBe(beats - 1);
    await node.clock.advance(1);
    expect(node.manager.heartbeats).toBe(beats);
  }
  node.manager.periodMs = 500;
  await node.clock.advance(2_000);
  const before = node.manager.heartbeats;
  await node.clock.advance(2_000);
  expect(node.manager.heartbeats - before).toBe(4);
});

test("a period that was shortened holds from when the manager tells of it, not from the heartbeat that was due before", async () => {
  node.manager.changePeriod(3_600_000);
  await node.clock.advance(2_000);
  expect(node.manager.heartbeats).toBe(2);
  await node.clock.advance(60_000);
  expect(node.manager.heartbeats).toBe(2);
  node.manager.changePeriod(500);
  await eventually("a heartbeat", () => node.manager.heartbeats === 3);
  await node.clock.advance(2_000);
  expect(node.manager.heartbeats).toBe(7);
});

test("no manager makes it beat more often than each 50 ms", async () => {
  node.manager.changePeriod(1);
  await eventually("a heartbeat", () => node.manager.heartbeats === 2);
  await node.clock.advance(500);
  expect(node.manager.heartbeats).toBe(12);
});

test("a broken connection is tried again within 100 ms, and every status is reported again", async () => {
  await runs("t1");
  node.manager.statuses.clear();
  node.manager.break();
  await eventually("the connection is closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("a new session", () => node.manager.sessions.length === 2);
  await eventually("the status again", () => node.stateOf("t1") === "running");
  expect(node.runtime.calls).toEqual(["create web.1.t1", "start web.1.t1"]);
});

test("a description that has changed goes to the manager at once when it says so, otherwise within 20 s; one that has not, never", async () => {
  const certified = { trustRoot: "pem", certIssuerSubject: new Uint8Array(0), certIssuerPublicKey: new Uint8Array(0) };
  node.description = { ...node.description, tlsInfo: certified };
  for (const listener of [...node.descriptionListeners]) listener();
  await eventually("the manager knows", () => node.manager.descriptions.length === 1);
  expect(node.manager.descriptions[0]?.description?.tlsInfo).toEqual(certified);
  for (const listener of [...node.descriptionListeners]) listener();
  node.description = { ...node.description, tlsInfo: null };
  await eventually("it is not looked at twice", () => node.descriptionListeners.size === 1);
  await node.clock.advance(20_000);
  await eventually("the manager knows the last one too", () => node.manager.descriptions.at(-1)?.description?.tlsInfo === null);
  expect(node.manager.descriptions).toHaveLength(2);
});

test("the leader that a manager names is asked at once", async () => {
  node.manager.refusal = new ClusterError("unavailable", "not the leader", { details: { leader: "10.0.0.7:2377" } });
  node.manager.break();
  await eventually("the refusal's connection is closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("the hint is followed", () => node.manager.hints.includes("10.0.0.7:2377"));
  node.manager.refusal = null;
  await node.clock.advance(300);
  await eventually("a new session", () => node.manager.sessions.length === 2);
});

test("while an election is likely it is asked again within 500 ms", async () => {
  node.manager.refusal = new ClusterError("unavailable", "no leader", { details: { leader: "" } });
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  for (let step = 0; step < 50; step++) await node.clock.advance(100);
  expect(node.manager.hints.length).toBeGreaterThan(12);
  node.manager.refusal = null;
  await node.clock.advance(500);
  await eventually("a new session", () => node.manager.sessions.length === 2);
});

test("managers that cannot be reached are asked with growing delays", async () => {
  node.manager.refusal = new ClusterError("unavailable", "connection refused");
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  for (let step = 0; step < 600; step++) await node.clock.advance(100);
  expect(node.manager.hints.length).toBeGreaterThan(25);
  const before = node.manager.hints.length;
  for (let step = 0; step < 600; step++) await node.clock.advance(100);
  expect(node.manager.hints.length - before).toBeLessThan(17);
});

test("what keeps it from a session for longer than an election is told, and a refusal for good at once", async () => {
  node.manager.refusal = new ClusterError("unavailable", "connection refused");
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  for (let step = 0; step < 90; step++) await node.clock.advance(100);
  expect(node.troubles).toEqual([]);
  for (let step = 0; step < 30; step++) await node.clock.advance(100);
  expect(node.troubles).toContain("connection refused");
  node.manager.refusal = null;
  for (let step = 0; step < 100; step++) await node.clock.advance(100);
  await eventually("a new session", () => node.manager.sessions.length === 2);
  const before = node.troubles.length;
  node.manager.refusal = new ClusterError("permission_denied", "this node was removed");
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("it is told", () => node.troubles.length > before);
  expect(node.troubles.at(-1)).toBe("this node was removed");
});

test("an unanswered heartbeat ends the session", async () => {
  node.manager.isSilent = true;
  await node.clock.advance(2_000 + 4_000);
  node.manager.isSilent = false;
  await node.clock.advance(100);
  await eventually("a new session", () => node.manager.sessions.length === 2);
});

test("a session that the manager does not know is replaced", async () => {
  node.manager.forgetSession();
  await node.clock.advance(2_000);
  await eventually("closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("a new session", () => node.manager.sessions.length === 2);
});

test("a set that does not follow is not applied: a complete one is asked for in the same session", async () => {
  await runs("t1");
  node.manager.send([{ type: "removeTask", removeTask: "t1" }], "something else");
  await eventually("a second stream", () => node.manager.assignmentStreams === 2);
  expect(node.manager.sessions.length).toBe(1);
  await runs("t2");
  expect(node.runtime.inspect("web.1.t1")?.state).toBe("running");
});

test("what a complete set does not name is ended", async () => {
  await runs("t1");
  await runs("t2");
  node.manager.tasks = node.manager.tasks.filter((task) => task.id === "t2");
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("one container", () => node.runtime.list().length === 1);
  expect(node.runtime.inspect("web.1.t2")?.state).toBe("running");
});

test("a complete set in several messages counts when its last one is there: no task that it names later is ended", async () => {
  node.manager.assign(assignedTask("t1"), assignedTask("t2"), assignedTask("t3"));
  await eventually("they run", () => ["t1", "t2", "t3"].every((id) => node.stateOf(id) === "running"));
  const before = node.runtime.calls.length;
  node.manager.isDivided = true;
  node.manager.tasks = node.manager.tasks.filter(({ id }) => id !== "t3");
  node.manager.break();
  await eventually("the connection is closed", () => node.manager.openConnections === 0);
  await node.clock.advance(100);
  await eventually("what it does not name is gone", () => node.runtime.list().length === 2);
  expect(node.runtime.calls.slice(before).filter((call) => !call.includes("web.1.t3"))).toEqual([]);
});

test("a description that changes goes to the manager within 20 s, an unchanged one does not", async () => {
  await node.clock.advance(40_000);
  expect(node.manager.descriptions).toEqual([]);
  node.description = { ...node.description, hostname: "renamed" };
  await node.clock.advance(20_000);
  expect(node.manager.descriptions.map((request) => request.description?.hostname)).toEqual(["renamed"]);
});

test("statuses while no manager listens are delivered later, the final one for certain", async () => {
  await runs("t1");
  node.manager.refusal = new ClusterError("unavailable", "connection refused");
  node.manager.break();
  await eventually("closed", () => node.manager.openConnections === 0);
  node.runtime.exit(node.containerIdOf("t1"), 9);
  await node.clock.advance(60_000);
  expect(node.stateOf("t1")).toBe("running");
  node.manager.refusal = null;
  await node.clock.advance(8_000);
  await eventually("the end is known", () => node.stateOf("t1") === "failed");
});

test("five streams in a row whose sets do not follow end the session; sets that do begin the count anew", async () => {
  const breakChain = async () => {
    const before = node.manager.assignmentStreams;
    node.manager.send([], "something else");
    await eventually("another stream, or session", () => node.manager.assignmentStreams > before || node.manager.openConnections === 0);
  };
  for (let round = 0; round < 2; round++) {
    for (let count = 0; count < 4; count++) await breakChain();
    await runs(`t${round}`);
  }
  expect(node.manager.sessions).toHaveLength(1);
  for (let count = 0; count < 5; count++) await breakChain();
  expect(node.manager.openConnections).toBe(0);
});

test("the managers of which one tells are those that are asked later", () => {
  expect(node.manager.learned).toEqual([[{ nodeId: "m1", address: "10.0.0.1:2377" }]]);
});
