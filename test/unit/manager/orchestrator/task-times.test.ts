import { expect, test } from "vitest";
import { FakeClock } from "../../../../src/base/clock.js";
import { TaskTimes } from "../../../../src/manager/orchestrator/task-times.js";
import { testTask } from "../../../support/services.js";

test.each([-3_600_000, 3_600_000])("a jump of the wall clock by %d ms changes no age", async (jumpMs) => {
  const clock = new FakeClock();
  const times = new TaskTimes(clock);
  const task = testTask("t1", { createdAtMs: clock.now(), atMs: clock.now() });
  expect([times.sinceCreated(task), times.sinceRunning(task)]).toEqual([0, 0]);
  clock.set(jumpMs);
  await clock.advance(2_000);
  expect([times.sinceCreated(task), times.sinceRunning(task)]).toEqual([2_000, 2_000]);
});

test("a timestamp of the future counts as now", () => {
  const clock = new FakeClock();
  expect(new TaskTimes(clock).sinceCreated(testTask("t1", { createdAtMs: clock.now() + 60_000 }))).toBe(0);
});

test("when a task began to run is known after it ended, if it was seen running", async () => {
  const clock = new FakeClock();
  const times = new TaskTimes(clock);
  times.observe(testTask("t1", { atMs: clock.now() }));
  await clock.advance(3_000);
  const ended = { state: "failed" as const, atMs: clock.now() };
  expect([times.sinceRunning(testTask("t1", ended)), times.sinceEnded(testTask("t1", ended))]).toEqual([3_000, 0]);
  expect(times.sinceRunning(testTask("t2", ended))).toBeUndefined();
  times.forget("t1");
  expect(times.sinceRunning(testTask("t1", ended))).toBeUndefined();
});
