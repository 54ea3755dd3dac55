import { expect, test } from "vitest";
import { restartDelayMs, shouldRestart } from "../../../../src/manager/restart/policy.js";
import type { RestartPolicy } from "../../../../src/model/objects.js";
import { testNode, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const spec = (change: Partial<RestartPolicy>) => taskSpec({}, { restart: { condition: "any", maxAttempts: 0, windowNs: 0n, ...change } });

test("without a policy everything is restarted", () => {
  expect(shouldRestart(testTask("t1", { state: "complete" }), [])).toBe(true);
});

test.each([
  [0, 1, true],
  [1, 1, false],
  [1, 2, true],
  [2, 2, false],
])("%d restarts of %d allowed: %s", (count, maxAttempts, allowed) => {
  const first = testTask("t0", { spec: spec({ maxAttempts }) });
  const slot = [first, ...Array.from({ length: count }, (_, index) => testTask(`t${index + 1}`, { spec: first.spec, startDelayMs: 0 }))];
  expect(shouldRestart(slot.at(-1)!, slot)).toBe(allowed);
});

test("restarts of another spec version, and tasks that an update made, are no attempts", () => {
  const task = testTask("t9", { spec: spec({ maxAttempts: 1 }), specVersion: 2 });
  const others = [testTask("t1", { startDelayMs: 0, specVersion: 1 }), testTask("t2", { replacesTaskId: "t1", specVersion: 2 })];
  expect(shouldRestart(task, [...others, task])).toBe(true);
});

test.each([
  [89_999, true],
  [90_001, false],
])("an attempt at %d ms and a window of 10 s before a failure at 100 s: %s", (createdAtMs, allowed) => {
  const policy = spec({ maxAttempts: 1, windowNs: 10_000_000_000n });
  const task = testTask("t2", { spec: policy, state: "failed", createdAtMs, atMs: 100_000, startDelayMs: 0 });
  expect(shouldRestart(task, [testTask("t1", { spec: policy }), task])).toBe(allowed);
});

test("the delay is the policy's, 5 s by default, and none when the node is drained", () => {
  expect(restartDelayMs(testTask("t1"), testNode("node1"))).toBe(5_000);
  expect(restartDelayMs(testTask("t1", { spec: spec({ delayNs: 250_000_000n }) }), undefined)).toBe(250);
  expect(restartDelayMs(testTask("t1"), testNode("node1", { availability: "drain" }))).toBe(0);
});
