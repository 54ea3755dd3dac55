import { describe, expect, test } from "vitest";
import { planRemovedService } from "../../../../src/manager/orchestrator/plan-service.js";
import { DEFAULT_UPDATE_CONFIG } from "../../../../src/model/defaults.js";
import type { Task, TaskState } from "../../../../src/model/objects.js";
import { describePlan, type PlanCase, planOf } from "../../../support/plan.js";
import { global, replicated, testNode, testService, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const nodes = [testNode("node1"), testNode("node2")];
const task = (slot: number, nodeId: string, state: TaskState = "running") => testTask(`t${slot}`, { slot, nodeId, state });

describe("a replicated service", () => {
  test.each<[string, PlanCase, readonly string[]]>([
    ["with as many tasks as replicas needs nothing", { service: testService(replicated(2)), tasks: [task(1, "node1"), task(2, "node2")] }, []],
    [
      "gets its missing slots, lowest first",
      { service: testService(replicated(5)), tasks: [task(2, "node1"), task(4, "node2")] },
      ["create 1 running", "create 3 running", "create 5 running"],
    ],
    [
      "gives up tasks of the node that has most",
      { service: testService(replicated(2)), tasks: [task(1, "node1"), task(2, "node1"), task(3, "node1"), task(4, "node2")] },
      ["t2 -> remove", "t3 -> remove"],
    ],
    [
      "gives up what does not run before what does",
      { service: testService(replicated(1)), tasks: [task(1, "node1", "preparing"), task(2, "node1")] },
      ["t1 -> remove"],
    ],
    [
      "gives up what has no node first",
      { service: testService(replicated(2)), tasks: [task(1, "", "pending"), task(2, "node1"), task(3, "node1")] },
      ["t1 -> remove"],
    ],
    ["gives up the highest slot among equals", { service: testService(replicated(1)), tasks: [task(1, "node2"), task(2, "node1")] }, ["t2 -> remove"]],
    [
      "does not count tasks that are on their way out",
      { service: testService(replicated(1)), tasks: [testTask("t1", { desiredState: "remove" })] },
      ["create 1 running"],
    ],
    [
      "restarts what failed, after the delay of its policy",
      {
        service: testService(),
        tasks: [
          testTask("t1", { state: "failed", spec: taskSpec({}, { restart: { condition: "any", delayNs: 1_500_000_000n, maxAttempts: 0, windowNs: 0n } }) }),
        ],
      },
      ["t1 -> shutdown", "create 1 ready after 1500 ms for t1"],
    ],
    [
      "moves tasks off a drained node without delay",
      { service: testService(), tasks: [task(1, "node1")], nodes: [testNode("node1", { availability: "drain" })] },
      ["t1 -> shutdown", "create 1 ready after 0 ms for t1"],
    ],
    [
      "refills a resting slot in a rollback, which has to bring back what was there",
      {
        service: testService({}, { specVersion: 3, updateStatus: { state: "rollback_started", startedAtMs: 1, completedAtMs: 0, message: "" } }),
        tasks: [
          testTask("t1", { state: "complete", desiredState: "shutdown", spec: taskSpec({}, { restart: { condition: "none", maxAttempts: 0, windowNs: 0n } }) }),
        ],
      },
      ["update: rollback_completed", "create 1 running"],
    ],
    [
      "removes the history of slots that it does not use any more",
      { service: testService(), tasks: [task(1, "node1"), testTask("t2", { slot: 2, state: "failed", desiredState: "shutdown" })] },
      ["t2 -> remove"],
    ],
  ])("%s", (_, given, expected) => {
    expect(describePlan(planOf({ nodes, ...given }))).toEqual(expected);
  });

  test("a restart is one group: either both changes are written or none", () => {
    const plan = planOf({ service: testService(), nodes, tasks: [testTask("t1", { state: "failed" })] });
    expect(plan.groups.map((group) => group.length)).toEqual([2]);
  });

  test("a slot with two tasks in a start-first update: the one that is up to date replaces the one that fails", () => {
    const updating = { specVersion: 2, updateStatus: { state: "updating", startedAtMs: 1, completedAtMs: 0, message: "" } } as const;
    const service = testService({ task: taskSpec({ image: "bb:v2" }), update: { ...DEFAULT_UPDATE_CONFIG, order: "start_first" } }, updating);
    const fresh = { specVersion: 2, spec: taskSpec({ image: "bb:v2" }), replacesTaskId: "old", createdAtMs: 5, state: "preparing" } as const;
    const tasks = (oldState: TaskState): Task[] => [testTask("old", { state: oldState }), testTask("new", fresh)];
    expect(describePlan(planOf({ service, nodes, tasks: tasks("running") }))).toEqual([]);
    expect(describePlan(planOf({ service, nodes, tasks: tasks("failed") }))).toEqual(["old -> shutdown"]);
  });

  test("asks to be looked at again when the next delay ends, and not when none runs", () => {
    const waiting = testTask("t1", { desiredState: "ready", state: "ready", startDelayMs: 5_000, createdAtMs: 999_000 });
    expect(planOf({ service: testService(), nodes, tasks: [waiting] }).wakeInMs).toBe(4_000);
    expect(planOf({ service: testService(), nodes, tasks: [task(1, "node1")] }).wakeInMs).toBeUndefined();
  });
});

describe("a global service", () => {
  const service = testService(global);
  const on = (nodeId: string, change: Parameters<typeof testTask>[1] = {}) => testTask(`t-${nodeId}`, { slot: 0, nodeId, ...change });
  test.each<[string, PlanCase, readonly string[]]>([
    ["gets a task on each node", { service, tasks: [on("node1")] }, ["create node2 running"]],
    [
      "gets none on nodes that are down, drained or paused",
      { service, nodes: [testNode("a", { state: "down" }), testNode("b", { availability: "drain" }), testNode("c", { availability: "pause" })] },
      [],
    ],
    [
      "leaves a node that is unknown alone, and fills it",
      { service, tasks: [on("node1")], nodes: [testNode("node1", { state: "unknown" }), testNode("node2", { state: "disconnected" })] },
      ["create node2 running"],
    ],
    ["loses the tasks of nodes that are gone", { service, tasks: [on("node1"), on("node9")], nodes: [testNode("node1")] }, ["remove t-node9"]],
    ["shuts down tasks of nodes that drain", { service, tasks: [on("node1")], nodes: [testNode("node1", { availability: "drain" })] }, ["t-node1 -> shutdown"]],
  ])("%s", (_, given, expected) => {
    expect(describePlan(planOf({ nodes, ...given }))).toEqual(expected);
  });
});

test("a service of a mode that is not built changes nothing", () => {
  const service = testService({ mode: { type: "globalJob", globalJob: {} } });
  expect(planOf({ service, nodes, tasks: [] }).groups).toEqual([]);
});

test("all tasks of a deleted service are to be removed, once", () => {
  const plan = planRemovedService([testTask("t1"), testTask("t2", { desiredState: "shutdown", state: "failed" }), testTask("t3", { desiredState: "remove" })]);
  expect(describePlan(plan)).toEqual(["t1 -> remove", "t2 -> remove"]);
});
