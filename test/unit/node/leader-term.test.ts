import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError, messageOf } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { SeededRandom } from "../../../src/base/random.js";
import { LeaderTerm } from "../../../src/node/leader-term.js";
import { Store } from "../../../src/store/store.js";
import { testCluster } from "../../support/cluster-object.js";
import { FakeMembership } from "../../support/fake-membership.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { testNode } from "../../support/services.js";
import { until } from "../../support/until.js";

/** A raft group whose members can be as broken as the test wants. */
class Group extends FakeMembership {
  isBroken = false;

  status() {
    return { term: 3 };
  }

  override members() {
    if (this.isBroken) throw new Error("members are broken");
    return super.members();
  }
}

async function leading({ isBroken = false } = {}) {
  const clock = new FakeClock();
  const store = new Store({ clock });
  new MemoryProposer(store);
  await store.update((tx) => {
    tx.create("cluster", testCluster());
    tx.create("node", { ...testNode("n1", { state: "down" }), spec: { name: "", labels: {}, role: "worker", availability: "active" }, role: "manager" });
  });
  const replica = new Group();
  replica.set("n2", "n3");
  replica.isBroken = isBroken;
  const seen: string[] = [];
  const callbacks = { onOver: () => seen.push("over"), onFailure: (cause: unknown) => seen.push(messageOf(cause)) };
  const identity = new TestCa().identity("n2");
  const term = new LeaderTerm({ store, replica, identity, clock, random: new SeededRandom(1), logger: silentLogger, ...callbacks });
  return { term, replica, clock, store, seen };
}

test("a term begins once, and its loops have stopped when it is over", async () => {
  const { term, clock, store, seen } = await leading();
  expect([term.begin(0), term.begin(0)]).toEqual([true, false]);
  await until("the node is a worker", () => store.view.nodes.get("n1")?.role === "worker");
  expect(clock.pending).toBeGreaterThan(0);
  term.end();
  expect(term.manager).toBeNull();
  await until("the loops have stopped", () => clock.pending === 0);
  expect(term.begin(0)).toBe(true);
  term.end();
  expect(seen).toEqual([]);
});

test("a loop that fails ends the term, and leadership is handed over", async () => {
  const { term, replica, seen } = await leading({ isBroken: true });
  term.begin(0);
  await until("it is handed over", () => replica.calls.includes("transfer"));
  expect(term.manager).toBeNull();
  expect(seen).toEqual([]);
});

test("a loop that fails where nobody takes over is a failure of the manager, with both reasons", async () => {
  const { term, replica, seen } = await leading({ isBroken: true });
  replica.transferLeadership = () => Promise.reject(new ClusterError("failed_precondition", "no other member"));
  term.begin(0);
  await until("it has failed", () => seen.length > 0);
  expect(seen).toEqual(["the leader's loops failed (members are broken) and nobody took over"]);
});
