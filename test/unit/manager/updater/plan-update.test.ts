import { expect, test } from "vitest";
import { updateSettings } from "../../../../src/manager/updater/update-settings.js";
import { DEFAULT_UPDATE_CONFIG } from "../../../../src/model/defaults.js";
import type { Service, ServiceSpec, UpdateConfig, UpdateState } from "../../../../src/model/objects.js";
import { describePlan, type PlanCase, planOf } from "../../../support/plan.js";
import { replicated, serviceSpec, testNode, testService, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const nodes = [testNode("node1")];
const config = (change: Partial<UpdateConfig>): UpdateConfig => ({ ...DEFAULT_UPDATE_CONFIG, ...change });

/** The service `web` at its second version, bb:v2, with an update in the given state. */
function updating(state: UpdateState | null, spec: Partial<ServiceSpec> = {}, change: Partial<Service> = {}): Service {
  const updateStatus = state === null ? null : { state, startedAtMs: 1, completedAtMs: 0, message: "" };
  return testService(
    { task: taskSpec({ image: "bb:v2" }), ...spec },
    { specVersion: 2, previousSpec: serviceSpec(), previousSpecVersion: 1, updateStatus, ...change },
  );
}

const old = (slot: number, change: Parameters<typeof testTask>[1] = {}) => testTask(`old${slot}`, { slot, ...change });
const updated = (slot: number, change: Parameters<typeof testTask>[1] = {}) =>
  testTask(`upd${slot}`, {
    slot,
    specVersion: 2,
    spec: taskSpec({ image: "bb:v2" }),
    replacesTaskId: `old${slot}`,
    createdAtMs: 900_000,
    atMs: 999_000,
    ...change,
  });
const failed = { state: "failed", desiredState: "shutdown" } as const;
/** What the restart policy made after such a failure. */
const restarted = (slot: number) => updated(slot, { id: `res${slot}`, replacesTaskId: `upd${slot}`, startDelayMs: 0, createdAtMs: 950_000 });
/** What more replicas made at the same version. */
const scaledUp = (slot: number) => testTask(`up${slot}`, { slot, specVersion: 2, spec: taskSpec({ image: "bb:v2" }), createdAtMs: 900_000 });

test.each<[string, PlanCase, readonly string[]]>([
  [
    "starts with the first slot",
    { service: updating(null, replicated(2)), tasks: [old(1), old(2)] },
    ["update: updating", "old1 -> shutdown", "create 1 ready for old1"],
  ],
  [
    "starts with slots that serve nobody",
    { service: updating(null, replicated(2)), tasks: [old(1), old(2, { state: "preparing" })] },
    ["update: updating", "old2 -> shutdown", "create 2 ready for old2"],
  ],
  ["does nothing when paused", { service: updating("paused", replicated(2)), tasks: [old(1), old(2)] }, []],
  [
    "ends what had begun when paused: the old task goes when the new one runs",
    { service: updating("paused"), tasks: [old(1), updated(1)] },
    ["old1 -> shutdown"],
  ],
  ["leaves the old task when paused until the new one runs", { service: updating("paused"), tasks: [old(1), updated(1, { state: "preparing" })] }, []],
  ["does nothing while a worker is busy", { service: updating("updating", replicated(2)), tasks: [updated(1, { state: "preparing" }), old(2)] }, []],
  [
    "goes on where another leader stopped",
    { service: updating("updating", replicated(2)), tasks: [updated(1), old(2)] },
    ["old2 -> shutdown", "create 2 ready for old2"],
  ],
  [
    "creates the new task running with start-first",
    { service: updating("updating", { update: config({ order: "start_first" }) }), tasks: [old(1)] },
    ["create 1 running for old1"],
  ],
  [
    "drops the old task with start-first when the new one runs",
    { service: updating("updating", { update: config({ order: "start_first" }) }), tasks: [old(1), updated(1)] },
    ["old1 -> shutdown"],
  ],
  ["reuses an up-to-date task", { service: updating("updating"), tasks: [old(1), updated(1, { state: "preparing" })] }, ["old1 -> shutdown"]],
  [
    "leaves one of two equal tasks, the one that runs",
    { service: updating("updating"), tasks: [updated(1, { state: "preparing" }), updated(1, { id: "two", replacesTaskId: "x" })] },
    ["upd1 -> shutdown"],
  ],
  ["completes when all is clean and monitored", { service: updating("updating"), tasks: [updated(1, { atMs: 994_000 })] }, ["update: completed"]],
  ["does not complete before the last task was monitored", { service: updating("updating"), tasks: [updated(1, { atMs: 996_000 })] }, []],
  [
    "completes a rollback that finds nothing to do",
    { service: updating("rollback_started", { task: taskSpec() }), tasks: [old(1)] },
    ["update: rollback_completed"],
  ],
  ["pauses on a failure", { service: updating("updating"), tasks: [updated(1, { state: "failed" })] }, ["update: paused"]],
  [
    "rolls back on a failure when told to",
    { service: updating("updating", { update: config({ failureAction: "rollback" }) }), tasks: [updated(1, { state: "failed" })] },
    ["update: rollback_started"],
  ],
  [
    "pauses instead when there is nothing to roll back to",
    { service: updating("updating", { update: config({ failureAction: "rollback" }) }, { previousSpec: null }), tasks: [updated(1, { state: "failed" })] },
    ["update: paused"],
  ],
  [
    "never rolls back a rollback, not even one that was requested by hand",
    { service: updating("rollback_started", { rollback: config({ failureAction: "rollback" }) }), tasks: [updated(1, { state: "failed" })] },
    ["update: rollback_paused"],
  ],
  [
    "does not count a restart's task",
    { service: updating("updating", { update: config({ failureAction: "pause" }) }), tasks: [updated(1, { state: "failed", startDelayMs: 0 })] },
    ["update: completed", "upd1 -> shutdown", "create 1 ready after 5000 ms for upd1"],
  ],
  [
    "counts failures against all slots of the update",
    {
      service: updating("updating", { ...replicated(4), update: config({ maxFailureRatio: 0.4, parallelism: 2 }) }),
      tasks: [updated(1, failed), restarted(1), updated(2, failed), restarted(2), old(3), old(4)],
    },
    ["update: paused"],
  ],
  [
    "minds a failure soon after it ran, and not one long after",
    { service: updating("updating", replicated(1)), tasks: [updated(1, { state: "failed", atMs: 999_000 })], ranSince: { upd1: 993_000 } },
    ["update: completed", "upd1 -> shutdown", "create 1 ready after 5000 ms for upd1"],
  ],
  [
    "minds a failure soon after it ran, also when it is seen late",
    { service: updating("updating", replicated(1)), tasks: [updated(1, { state: "failed", atMs: 994_000 })], ranSince: { upd1: 990_000 } },
    ["update: paused"],
  ],
  [
    "counts failures against the slots that it concerns, and no others",
    {
      service: updating("updating", { ...replicated(4), update: config({ maxFailureRatio: 0.5 }) }),
      tasks: [updated(1, failed), restarted(1), ...[2, 3, 4].map(scaledUp)],
    },
    ["update: paused"],
  ],
  [
    "leaves the newer of two equal tasks that run",
    { service: updating("updating"), tasks: [updated(1), updated(1, { id: "two", replacesTaskId: "x", createdAtMs: 910_000 })] },
    ["upd1 -> shutdown"],
  ],
  [
    "leaves the newer of two equal tasks that run, in whatever order they are listed",
    { service: updating("updating"), tasks: [updated(1, { id: "two", replacesTaskId: "x", createdAtMs: 910_000 }), updated(1)] },
    ["upd1 -> shutdown"],
  ],
  [
    "leaves the task that runs rather than a newer one that does not yet",
    { service: updating("updating"), tasks: [updated(1), updated(1, { id: "two", replacesTaskId: "x", createdAtMs: 910_000, state: "preparing" })] },
    ["two -> shutdown"],
  ],
  [
    "leaves the task that may run rather than a newer one that waits",
    {
      service: updating("updating"),
      tasks: [updated(1, { state: "preparing" }), updated(1, { id: "two", createdAtMs: 910_000, state: "ready", desiredState: "ready", startDelayMs: 5_000 })],
    },
    ["two -> shutdown"],
  ],
  [
    "does not try a slot again where the new task failed for good beside the old one",
    { service: updating("updating", { update: config({ order: "start_first", failureAction: "continue" }) }), tasks: [old(1), updated(1, failed)] },
    ["update: completed"],
  ],
  [
    "that is over leaves old tasks of nodes that come back to be replaced all at once",
    {
      service: updating("completed", { mode: { type: "global", global: {} } }),
      nodes: [testNode("node1"), testNode("node2")],
      tasks: ["node1", "node2"].map((nodeId) => testTask(`old-${nodeId}`, { slot: 0, nodeId })),
    },
    ["old-node1 -> shutdown", "create node1 ready for old-node1", "old-node2 -> shutdown", "create node2 ready for old-node2"],
  ],
  [
    "that is over goes slot by slot where a change of a node makes tasks be out of date",
    { service: updating("completed", replicated(2)), tasks: [old(1), old(2)] },
    ["old1 -> shutdown", "create 1 ready for old1"],
  ],
])("an update %s", (_, given, expected) => {
  expect(describePlan(planOf({ nodes, ...given }))).toEqual(expected);
});

test("of several failures the last one is named", () => {
  const tasks = [updated(1, { ...failed, atMs: 999_000 }), restarted(1), updated(2, { ...failed, atMs: 999_500 }), restarted(2)];
  for (const listed of [tasks, tasks.toReversed()]) {
    const pause = planOf({ service: updating("updating", replicated(2)), nodes, tasks: listed }).groups[0]?.[0];
    expect(pause).toMatchObject({ service: { updateStatus: { message: expect.stringContaining("upd2") } } });
  }
});

test("what a failure is called", () => {
  const pause = planOf({ service: updating("updating"), nodes, tasks: [updated(1, { state: "failed" })] }).groups[0]?.[0];
  expect(pause).toMatchObject({
    isClientWrite: false,
    service: { updateStatus: { message: "update paused due to failure or early termination of task upd1", completedAtMs: 0 } },
  });
});

test.each<[string, Service, object]>([
  ["defaults", updating(null), { parallelism: 1, delayMs: 0, monitorMs: 5_000, failureAction: "pause", maxFailureRatio: 0, order: "stop_first" }],
  ["all at once", updating(null, { update: config({ parallelism: 0 }) }), { parallelism: Number.POSITIVE_INFINITY }],
  ["a monitor of zero is the default", updating(null, { update: config({ monitorNs: 0n }) }), { monitorMs: 5_000 }],
  ["a monitor of its own", updating(null, { update: config({ monitorNs: 20_000_000_000n }) }), { monitorMs: 20_000 }],
  ["a delay shorter than the monitor", updating(null, { update: config({ delayNs: 4_000_000_000n }) }), { monitorMs: 5_000 }],
  ["a delay as long as the monitor", updating(null, { update: config({ delayNs: 5_000_000_000n }) }), { monitorMs: 6_000 }],
  [
    "the rollback's own while it rolls back",
    updating("rollback_started", { update: config({ parallelism: 2 }), rollback: config({ parallelism: 3 }) }),
    { parallelism: 3 },
  ],
  ["defaults for a rollback that has none", updating("rollback_started", { update: config({ parallelism: 2 }) }), { parallelism: 1 }],
])("settings: %s", (_, service, expected) => {
  expect(updateSettings(service)).toMatchObject(expected);
});
