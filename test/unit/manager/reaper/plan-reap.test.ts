import { expect, test } from "vitest";
import { FakeClock } from "../../../../src/base/clock.js";
import { surplusHistory } from "../../../../src/manager/reaper/plan-reap.js";
import { DEFAULT_CLUSTER_SPEC } from "../../../../src/model/defaults.js";
import type { Task } from "../../../../src/model/objects.js";
import { Store } from "../../../../src/store/store.js";
import { testCluster } from "../../../support/cluster-object.js";
import { testService, testTask } from "../../../support/services.js";

/** A task of slot 1 that has ended, made by the log's entry of the index; `createdAtMs` is the same for all. */
const ended = (id: string, index: number, change: Partial<Task> = {}): Task => ({
  ...testTask(id, { serviceId: "service1", slot: 1, state: "failed", desiredState: "shutdown" }),
  meta: { version: index, revision: 50, createdAtMs: 1, updatedAtMs: 1 },
  ...change,
});

/** What goes of the slot's tasks, which the store lists in the given order. */
function surplusOf(limit: bigint, tasks: readonly Task[]): readonly string[] {
  const store = new Store({ clock: new FakeClock() });
  const cluster = testCluster({ spec: { ...DEFAULT_CLUSTER_SPEC, taskHistoryRetentionLimit: limit } });
  const objects = [
    { type: "cluster" as const, cluster },
    { type: "service" as const, service: testService({}, { id: "service1" }) },
  ];
  store.restore([...objects, ...tasks.map((task) => ({ type: "task" as const, task }))], 50);
  return surplusHistory(store.view, "service1/1").map(({ id }) => id);
}

test.each([[[10, 20, 30, 40]], [[40, 30, 20, 10]], [[30, 10, 40, 20]], [[20, 40, 10, 30]]])(
  "the oldest go first, also when the store lists them as %j",
  (indexes) => {
    const tasks = indexes.map((index) => ended(`t${index}`, index));
    expect(surplusOf(2n, tasks)).toEqual(["t10", "t20"]);
    expect(surplusOf(4n, tasks)).toEqual([]);
  },
);

test("of tasks that one transaction made, the one that replaces the other is the newer", () => {
  const [first, second] = [ended("first", 10), ended("second", 10, { replacesTaskId: "first" })];
  expect(surplusOf(1n, [first, second])).toEqual(["first"]);
  expect(surplusOf(1n, [second, first])).toEqual(["first"]);
});

test("tasks on their way out of the store take no place of the history", () => {
  const leaving = ended("leaving", 5, { desiredState: "remove", status: testTask("leaving").status });
  expect(surplusOf(2n, [leaving, ended("t10", 10), ended("t20", 20)])).toEqual([]);
});

test("tasks that shall run, or may still run, count and stay", () => {
  const stopping = ended("stopping", 10, { status: testTask("stopping").status });
  expect(surplusOf(1n, [stopping, ended("t20", 20), ended("t30", 30, { desiredState: "running", status: testTask("t30").status })])).toEqual(["t20"]);
  expect(surplusOf(1n, [stopping, ended("called-off", 20, { status: testTask("c", { state: "pending" }).status }), ended("t30", 30)])).toEqual(["called-off"]);
});
