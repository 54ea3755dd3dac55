import { expect, test } from "vitest";
import { Metrics } from "../../../src/node/metrics.js";
import type { StoreView } from "../../../src/store/view.js";

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
