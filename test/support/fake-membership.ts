import { ClusterError } from "../../src/base/errors.js";
import type { Membership, MembershipMember } from "../../src/manager/control/membership.js";

/** A raft group that agrees at once, and records what it was asked. */
export class FakeMembership implements Membership {
  list: MembershipMember[] = [];
  readonly calls: string[] = [];
  /** Makes the next calls of `remove` fail, as many as given. */
  failRemovals = 0;
  /** What stands for the loss of leadership. */
  onTransfer: () => void = () => undefined;

  /** The first of the nodes leads; those after a "!" are not reachable, those after a "?" do not vote yet. */
  set(...nodeIds: readonly string[]): void {
    this.list = nodeIds.map((text, index) => {
      const nodeId = text.replace(/^[!?]/, "");
      return {
        raftId: index + 1,
        nodeId,
        address: `${nodeId}:2377`,
        isReachable: !text.startsWith("!"),
        isLeader: index === 0,
        isVoter: !text.startsWith("?"),
      };
    });
  }

  async join(nodeId: string, address: string) {
    this.calls.push(`join ${nodeId} ${address}`);
    const raftId = this.list.length + 1;
    this.list.push({ raftId, nodeId, address, isReachable: true, isLeader: this.list.length === 0, isVoter: true });
    return { raftId, members: this.list.map((member) => ({ raftId: member.raftId, nodeId: member.nodeId, address: member.address })) };
  }

  async remove(nodeId: string): Promise<void> {
    this.calls.push(`remove ${nodeId}`);
    if (this.failRemovals > 0) {
      this.failRemovals--;
      throw new ClusterError("unavailable", "another change of the members is under way");
    }
    this.list = this.list.filter((member) => member.nodeId !== nodeId);
  }

  members(): readonly MembershipMember[] {
    return this.list;
  }

  async transferLeadership(): Promise<void> {
    this.calls.push("transfer");
    this.list = this.list.map((member, index) => ({ ...member, isLeader: index === 1 }));
    this.onTransfer();
  }
}
