import { expect, test } from "vitest";
import { type TaskProgress, planStep } from "../../../src/agent/task-step.js";
import { TASK_STATES, isTerminal } from "../../../src/model/task-state.js";

const progress = (change: Partial<TaskProgress>): TaskProgress => ({
  observed: "assigned",
  desired: "running",
  isWithdrawn: false,
  hasContainer: true,
  isStarted: false,
  ...change,
});

test.each([
  ["assigned", "running", "accept"],
  ["accepted", "running", "begin-prepare"],
  ["preparing", "ready", "prepare"],
  ["ready", "ready", "rest"],
  ["ready", "running", "begin-start"],
  ["ready", "complete", "begin-start"],
  ["starting", "running", "start"],
  ["running", "running", "wait"],
  ["running", "complete", "wait"],
  ["assigned", "shutdown", "shutdown"],
  ["running", "shutdown", "shutdown"],
  ["running", "remove", "shutdown"],
  ["shutdown", "shutdown", "rest"],
  ["failed", "running", "rest"],
  ["failed", "remove", "remove"],
] as const)("observed %s, desired %s: %s", (observed, desired, step) => {
  expect(planStep(progress({ observed, desired }))).toBe(step);
});

test("a task that was withdrawn is ended, then forgotten, whatever is desired", () => {
  for (const observed of TASK_STATES) expect(planStep(progress({ observed, isWithdrawn: true }))).toBe(isTerminal(observed) ? "forget" : "shutdown");
});

test("a container that is gone is not removed again", () => {
  expect(planStep(progress({ observed: "failed", desired: "remove", hasContainer: false }))).toBe("rest");
});

test("what was started and is not healthy yet is waited for, not started again", () => {
  expect(planStep(progress({ observed: "starting", isStarted: true }))).toBe("settle");
  expect(planStep(progress({ observed: "starting", isStarted: true, desired: "shutdown" }))).toBe("shutdown");
});
