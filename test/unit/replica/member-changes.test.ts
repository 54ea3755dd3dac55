import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { EMPTY_CONFIG } from "../../../src/raft/config-change.js";
import type { ConfigState } from "../../../src/raft/message.js";
import type { Raft } from "../../../src/raft/raft.js";
import { MemberChanges } from "../../../src/replica/member-changes.js";
import { Membership } from "../../../src/replica/membership.js";

/** A leader of the members a, b and c, which are raft ids 1, 2 and 3. It takes every change once it is ready. */
function leaderOf(config: Partial<ConfigState>) {
  const clock = new FakeClock();
  const membership = new Membership();
  const now = (next: Partial<ConfigState>) =>
    membership.reset(
      ["a", "b", "c"].map((nodeId, at) => ({ raftId: at + 1, nodeId, address: `${nodeId}:2377` })),
      { ...EMPTY_CONFIG, ...next },
    );
  now(config);
  const group = { isReady: true, proposed: 0 };
  const raft = {
    proposeConfigChange: () => {
      if (!group.isReady) throw new ClusterError("failed_precondition", "the change before is not applied yet");
      group.proposed++;
    },
  };
  const changes = new MemberChanges({ raft: raft as unknown as Raft, membership, clock, wake: () => undefined });
  return { changes, clock, now, group };
}

const refused = { code: "failed_precondition", message: expect.stringContaining("would leave 1 reachable of 2 managers") };

test("a removal that waits for the end of a change of several voters is judged by the group that it leaves", async () => {
  const { changes, clock, now, group } = leaderOf({ voters: [1, 2, 3], votersOutgoing: [1], autoLeave: true });
  const removed = changes.remove("c", (raftId) => raftId === 1);
  const outcome = expect(removed).rejects.toMatchObject(refused);
  await clock.advance(20);
  now({ voters: [1, 2, 3] });
  await clock.advance(20);
  expect(group.proposed).toBe(0);
  await outcome;
});

test("a removal that waits for its turn is judged when that comes", async () => {
  const { changes, clock, group } = leaderOf({ voters: [1, 2, 3] });
  group.isReady = false;
  let isReachable = true;
  const removed = changes.remove("c", (raftId) => raftId === 1 || isReachable);
  const outcome = expect(removed).rejects.toMatchObject(refused);
  await clock.advance(20);
  isReachable = false;
  group.isReady = true;
  await clock.advance(20);
  expect(group.proposed).toBe(0);
  await outcome;
});
