import { expect, test } from "vitest";
import { type Leaving, refusalToLeave } from "../../../src/node/swarm-refusals.js";

const REMOVED = "node n1 was removed from the cluster: leave by force, and join again with a token";
const MEMBERS = ["n1", "n2", "n3"].map((nodeId) => ({ nodeId, address: `${nodeId}:2377`, isLeader: false, isReachable: true }));

const managerOf = (state: { readonly members?: typeof MEMBERS; readonly isRemoved?: boolean; readonly leader?: string } = {}): Leaving["manager"] => ({
  members: () => state.members ?? MEMBERS,
  isRemoved: state.isRemoved ?? false,
  leaderAddress: () => state.leader ?? "n2:2377",
});
const nodeOf = (node: Partial<Leaving>): Leaving => ({ manager: null, isRetired: false, error: "", refusal: "", ...node });

test.each<[what: string, node: Partial<Leaving>, says: RegExp, saysNot: RegExp]>([
  [
    "that takes part is demoted first",
    { manager: managerOf() },
    /participating as a manager.*--force-new-cluster.*Demote the node first, or use `--force`/,
    /have a leader/,
  ],
  ["that is the last one", { manager: managerOf({ members: MEMBERS.slice(0, 1) }) }, /Removing the last manager erases all current state/, /Demote/],
  [
    "without a leader cannot be demoted",
    { manager: managerOf({ leader: "" }) },
    /does not have a leader, so that.* cannot be demoted.*Use `--force`/,
    /Demote the node first/,
  ],
  [
    "that was removed, as a manager said",
    { manager: managerOf({ leader: "" }), refusal: REMOVED },
    /Use `--force`.*What keeps it: node n1 was removed/,
    /Demote/,
  ],
  [
    "that was removed, as it found out",
    { manager: managerOf({ isRemoved: true }), error: REMOVED },
    /Use `--force`.*What keeps it: node n1 was removed/,
    /Demote/,
  ],
  ["whose disk is full", { isRetired: true, error: "no space" }, /Use `--force`.*What keeps it: no space/, /Demote/],
])("a manager %s", (_what, node, says, saysNot) => {
  const refusal = refusalToLeave(nodeOf(node));
  expect(refusal).toMatchObject({ code: "unavailable", message: expect.stringMatching(says) });
  expect(refusal?.message).not.toMatch(saysNot);
});

test("a worker leaves, also one that was removed", () => {
  for (const refusal of ["", REMOVED]) expect(refusalToLeave(nodeOf({ refusal }))).toBeNull();
});
