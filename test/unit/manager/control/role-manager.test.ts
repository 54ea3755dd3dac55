import { describe, expect, test } from "vitest";
import { planRoleSteps, type RoleStep } from "../../../../src/manager/control/role-manager.js";
import type { Node, NodeRole } from "../../../../src/model/objects.js";
import { FakeMembership } from "../../../support/fake-membership.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { testNode } from "../../../support/services.js";

function node(id: string, role: NodeRole, wanted: NodeRole = role): Node {
  return { ...testNode(id), spec: { name: "", labels: {}, role: wanted, availability: "active" }, role };
}

describe("planRoleSteps", () => {
  test.each<[string, Node, readonly string[], RoleStep["type"] | undefined]>([
    ["nothing to do", node("a", "manager"), ["a"], undefined],
    ["a promotion", node("a", "worker", "manager"), ["b"], "promote"],
    ["a demotion", node("a", "manager", "worker"), ["b", "a", "c"], "remove_member"],
    ["a demotion of the leader", node("a", "manager", "worker"), ["a", "b", "c"], "hand_over"],
    ["a demotion after the member is gone", node("a", "manager", "worker"), ["b", "c"], "demote"],
    ["a demotion that would cost the quorum", node("a", "manager", "worker"), ["b", "a", "!c"], "wait"],
    ["a demotion while the others do not vote yet", node("a", "manager", "worker"), ["a", "?b"], "wait"],
    ["a demotion that a learner cannot make up for", node("a", "manager", "worker"), ["b", "a", "!c", "?d"], "wait"],
    ["a demotion of an unreachable one", node("a", "manager", "worker"), ["b", "!a", "c"], "remove_member"],
  ])("%s", (_, given, members, expected) => {
    const membership = new FakeMembership();
    membership.set(...members);
    expect(planRoleSteps([given], membership.members()).map(({ type }) => type)).toEqual(expected === undefined ? [] : [expected]);
  });
});

describe("the loop", () => {
  test("promotes at once", async () => {
    await using cluster = new ManagerWorld([node("m1", "manager"), node("w1", "worker")]);
    cluster.membership.set("m1");
    await cluster.lead();
    await cluster.write((tx) => tx.update("node", node("w1", "worker", "manager"), { isClientWrite: true }));
    await cluster.settle();
    expect(cluster.node("w1").role).toBe("manager");
  });

  test("takes a demoted node out of the raft group before it is a worker, and tries again when that fails", async () => {
    await using cluster = new ManagerWorld([node("m1", "manager"), node("m2", "manager"), node("m3", "manager")]);
    cluster.membership.set("m1", "m2", "m3");
    cluster.membership.failRemovals = 2;
    await cluster.lead();
    await cluster.write((tx) => tx.update("node", node("m2", "manager", "worker"), { isClientWrite: true }));
    await cluster.settle();
    expect(cluster.node("m2").role).toBe("manager");
    await cluster.advance(2000);
    expect(cluster.node("m2").role).toBe("worker");
    expect(cluster.membership.calls).toEqual(["remove m2", "remove m2", "remove m2"]);
  });

  test("gives no role that is not wished for any more", async () => {
    await using cluster = new ManagerWorld([node("m1", "manager"), node("w1", "worker")]);
    cluster.membership.set("m1");
    await cluster.lead();
    cluster.proposer.hold();
    const wishes = [node("w1", "worker", "manager"), node("w1", "worker")].map((wish) =>
      cluster.write((tx) => tx.update("node", { ...tx.nodes.get("w1")!, spec: wish.spec }, { isClientWrite: true })),
    );
    await cluster.proposer.release(1);
    await cluster.settle();
    const meanwhile = [cluster.node("w1").spec?.role, cluster.proposer.pending];
    await cluster.proposer.release();
    await Promise.all(wishes);
    expect(meanwhile).toEqual(["manager", 1]);
    expect(cluster.node("w1")).toMatchObject({ role: "worker", spec: { role: "worker" } });
  });

  test("a leader that is demoted with others hands over when it has taken them out", async () => {
    const demoted = ["m1", "m2"].map((id) => node(id, "manager", "worker"));
    await using cluster = new ManagerWorld([...demoted, ...["m3", "m4", "m5"].map((id) => node(id, "manager"))]);
    cluster.membership.set("m1", "m2", "m3", "m4", "m5");
    await cluster.lead();
    expect(cluster.membership.calls).toEqual(["remove m2", "transfer"]);
    expect(cluster.node("m2").role).toBe("worker");
  });

  test("a leader that is demoted hands over", async () => {
    await using cluster = new ManagerWorld([node("m1", "manager", "worker"), node("m2", "manager"), node("m3", "manager")]);
    cluster.membership.set("m1", "m2", "m3");
    await cluster.lead();
    expect(cluster.membership.calls[0]).toBe("transfer");
    await cluster.advance(2000);
    expect(cluster.node("m1").role).toBe("worker");
  });
});
