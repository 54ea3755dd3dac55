import { expect, test } from "vitest";
import { Metrics } from "../../../src/node/metrics.js";
import type { StoreView } from "../../../src/store/view.js";
import { until } from "../../support/until.js";

const figures = async (metrics: Metrics) => new Set((await metrics.render()).text.split("\n").filter((line) => line.startsWith("swarm_")));

test("a manager shows its place in the raft group, and nodes and tasks by state; a worker none of them", async () => {
  const store = {
    nodes: { all: () => [{ status: { state: "ready" } }, { status: { state: "down" } }, { status: null }] },
    tasks: { all: () => [{ status: { state: "running" } }, { status: { state: "running" } }] },
  } as unknown as StoreView;
  const raft = { term: 3, commit: 20, applied: 19, isLeader: true, members: 3 };
  let isManager = true;
  const metrics = new Metrics({
    raft: () => (isManager ? raft : null),
    store: () => (isManager ? store : undefined),
    containers: () => ({ running: 2, total: 5 }),
    certificates: () => [],
    now: () => 0,
  });
  const shown = await figures(metrics);
  for (const line of [
    "swarm_raft_term 3",
    "swarm_raft_leader 1",
    "swarm_raft_commit_index 20",
    "swarm_raft_applied_index 19",
    "swarm_raft_members 3",
    'swarm_nodes{state="ready"} 1',
    'swarm_nodes{state="down"} 1',
    'swarm_nodes{state="unknown"} 1',
    'swarm_tasks{state="running"} 2',
    'swarm_tasks{state="failed"} 0',
    'swarm_containers{state="running"} 2',
    'swarm_containers{state="stopped"} 3',
  ]) {
    expect(shown).toContain(line);
  }
  isManager = false;
  expect([...(await figures(metrics))].map((line) => line.replace(/[{ ].*/, ""))).toEqual(["swarm_containers", "swarm_containers"]);
});

const DAY_MS = 86_400_000;

test.each([
  ["of 90 days: renewed by its 72nd, late after that", 90, [0, 71, 73, 91], [0, 0, 1, 1]],
  ["of 20 years: from 30 days before its end", 7_300, [0, 7_269, 7_271, 7_301], [0, 0, 1, 1]],
])("a certificate %s", async (_what, days, ages, warnings) => {
  let nowMs = 0;
  const metrics = new Metrics({
    raft: () => null,
    store: () => undefined,
    containers: () => ({ running: 0, total: 0 }),
    certificates: () => [{ certificate: "node", notBeforeMs: 0, expiresAtMs: days * DAY_MS }],
    now: () => nowMs,
  });
  for (const [index, age] of ages.entries()) {
    nowMs = age * DAY_MS;
    const shown = await figures(metrics);
    expect(shown).toContain(`swarm_certificate_expiry_seconds{certificate="node"} ${(days - age) * 86_400}`);
    expect(shown, `after ${age} days`).toContain(`swarm_certificate_expiry_warning{certificate="node"} ${warnings[index]}`);
  }
});

test("the event loop's lag is how late it is, not how long it is between two looks at it", async () => {
  const metrics = new Metrics({ raft: () => null, store: () => undefined, containers: () => ({ running: 0, total: 0 }), certificates: () => [], now: () => 0 });
  const lags = async () =>
    Object.fromEntries(
      (await metrics.render()).text
        .split("\n")
        .filter((line) => line.startsWith("nodejs_eventloop_lag_"))
        .map((line) => line.split(" "))
        .map(([name = "", value]) => [name.replace(/^nodejs_eventloop_lag_|_?seconds$/g, ""), Number(value)]),
    );
  const before = await lags();
  expect(Object.keys(before).sort()).toEqual(["", "max", "mean", "min", "p50", "p90", "p99"]);
  expect(before).toMatchObject({ min: 0, max: 0, mean: 0 });
  // Busy for longer than a period at a time: each look is late by a fifth of a second.
  await until("looks are late, and by no more than they are", async () => {
    for (let spins = 0; spins < 4; spins++) {
      const endMs = performance.now() + 700;
      while (performance.now() < endMs);
      await new Promise((resolve) => setTimeout(resolve));
    }
    const { min = 0, max = 0 } = await lags();
    return max > 0.1 && min < 0.45;
  });
});
