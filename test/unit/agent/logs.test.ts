import { afterEach, beforeEach, expect, test } from "vitest";
import { deferred } from "../../../src/base/deferred.js";
import { eventually } from "../../support/eventually.js";
import { until } from "../../support/until.js";
import { assignedTask } from "../../support/tasks.js";
import { Harness } from "./harness.js";

let node: Harness;

beforeEach(async () => {
  node = new Harness();
  node.start();
  await eventually("a session", () => node.manager.assignmentStreams === 1);
});

afterEach(() => node.dispose());

const options = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1n };
const lines = () => node.manager.published.map((message) => `${message.taskId} ${message.stream}: ${Buffer.from(message.data).toString().trimEnd()}`);
const runs = async (...taskIds: readonly string[]) => {
  node.manager.assign(...taskIds.map((taskId) => assignedTask(taskId)));
  await eventually("they run", () => taskIds.every((taskId) => node.stateOf(taskId) === "running"));
};
const write = (taskId: string, text: string, stream: "stdout" | "stderr" = "stdout") => node.runtime.write(node.containerIdOf(taskId), text, stream);

test("what is there is sent, then the end", async () => {
  await runs("t1", "t2");
  write("t1", "one");
  write("t1", "two", "stderr");
  write("t2", "other");
  node.manager.subscribe({ id: "s1", taskIds: ["t1", "t2", "unknown"], options, close: false });
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
  expect(lines().toSorted()).toEqual(["t1 stderr: two", "t1 stdout: one", "t2 stdout: other"]);
  expect(node.manager.published[0]).toMatchObject({ nodeId: "node1", serviceId: "service1" });
});

test("only what was asked for is sent", async () => {
  await runs("t1");
  for (const text of ["a", "b", "c"]) write("t1", text);
  write("t1", "wrong", "stderr");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, stderr: false, tail: 3n }, close: false });
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
  expect(lines()).toEqual(["t1 stdout: b", "t1 stdout: c"]);
});

test("following goes on with new lines until the container ends", async () => {
  await runs("t1");
  write("t1", "before");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false });
  await eventually("the first line", () => lines().length === 1);
  write("t1", "after");
  await eventually("the second line", () => lines().length === 2);
  expect(node.manager.closedSubscriptions).toEqual([]);
  node.runtime.exit(node.containerIdOf("t1"), 0);
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
});

test("following waits for a container that is not made yet", async () => {
  let open = () => {};
  node.runtime.beforeCreate = () => new Promise((resolve) => (open = resolve));
  node.manager.assign(assignedTask("t1"));
  await eventually("it is being made", () => node.stateOf("t1") === "preparing");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false });
  await new Promise((resolve) => setImmediate(resolve));
  open();
  await eventually("it runs", () => node.stateOf("t1") === "running");
  write("t1", "hello");
  await eventually("the line", () => lines().length === 1);
});

test("a task that joins a subscription is read too, others are not read again", async () => {
  await runs("t1", "t2");
  write("t1", "one");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false });
  await eventually("the first line", () => lines().length === 1);
  write("t2", "two");
  node.manager.subscribe({ id: "s1", taskIds: ["t1", "t2"], options: { ...options, follow: true }, close: false });
  await eventually("the second line", () => lines().length === 2);
  expect(lines()).toEqual(["t1 stdout: one", "t2 stdout: two"]);
});

test("a subscription that is closed is no longer served", async () => {
  await runs("t1");
  const subscription = { id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false };
  node.manager.subscribe(subscription);
  write("t1", "one");
  await eventually("the line", () => lines().length === 1);
  node.manager.subscribe({ ...subscription, taskIds: [], close: true });
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
  write("t1", "two");
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines()).toEqual(["t1 stdout: one"]);
});

test("a log larger than what may wait is sent whole and in order", async () => {
  await runs("t1");
  for (let line = 0; line < 5_000; line++) write("t1", String(line));
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options, close: false });
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
  expect(lines()).toEqual(Array.from({ length: 5_000 }, (_, line) => `t1 stdout: ${line}`));
});

test("when only the stream of its lines breaks, the manager is asked again what to read, and the others go on", async () => {
  await runs("t1", "t2");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false });
  node.manager.subscribe({ id: "s2", taskIds: ["t2"], options: { ...options, follow: true }, close: false });
  write("t2", "one");
  await eventually("the first line", () => lines().length === 1);
  const streams = node.manager.subscriptionStreams;
  node.manager.breaksOff = true;
  write("t1", "two");
  await eventually("the second line", () => lines().length === 2);
  node.manager.breaksOff = false;
  await until("the manager is asked again", async () => {
    await node.clock.advance(200);
    return node.manager.subscriptionStreams > streams;
  });
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true, tail: 0n }, close: false });
  node.manager.subscribe({ id: "s2", taskIds: ["t2"], options: { ...options, follow: true }, close: false });
  await eventually("both are read", () => {
    write("t1", "three");
    return lines().includes("t1 stdout: three");
  });
  write("t2", "four");
  await eventually("the other one goes on", () => lines().includes("t2 stdout: four"));
  expect(lines().filter((text) => text === "t2 stdout: one")).toHaveLength(1);
});

test.each(["breaksOff", "hasEnough"] as const)("a manager that takes no more lines (%s) leaves no log open", async (why) => {
  await runs("t1");
  node.manager.subscribe({ id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false });
  await eventually("it is read", () => node.runtime.openLogs === 1);
  node.manager[why] = true;
  write("t1", "one");
  await eventually("nothing is read any more", () => node.runtime.openLogs === 0);
});

test("following ends when the reader has enough while the container is being made, and for a task that will have none", async () => {
  const mayGoOn = deferred<void>();
  node.runtime.beforeCreate = ({ name }) => (name === "web.1.t1" ? mayGoOn.promise : Promise.reject(new Error("no space left")));
  node.manager.assign(assignedTask("t1"), assignedTask("t2"));
  await eventually("one is being made, the other refused", () => node.stateOf("t1") === "preparing" && node.stateOf("t2") === "rejected");
  const subscription = { id: "s1", taskIds: ["t1"], options: { ...options, follow: true }, close: false };
  node.manager.subscribe(subscription);
  node.manager.subscribe({ ...subscription, id: "s2", taskIds: ["t2"] });
  await eventually("there is nothing to follow", () => node.manager.closedSubscriptions.includes("s2"));
  expect(node.manager.closedSubscriptions).toEqual(["s2"]);
  node.manager.subscribe({ ...subscription, taskIds: [], close: true });
  await eventually("the end", () => node.manager.closedSubscriptions.includes("s1"));
  mayGoOn.resolve();
});
