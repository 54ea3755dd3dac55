import { ClusterError } from "../../base/errors.js";
import type { Member } from "../../wire/generated/raft.js";

/** A manager as the raft group sees it. */
export interface MembershipMember {
  readonly raftId: number;
  readonly nodeId: string;
  /** host:port. */
  readonly address: string;
  readonly isReachable: boolean;
  readonly isLeader: boolean;
  /** A learner counts for nothing until it has caught up. */
  readonly isVoter: boolean;
}

/** The raft group's members. Implemented by the replica of the leader; every call throws ClusterError `no_leader` elsewhere. */
export interface Membership {
  /** Adds a member, or gives the one of the same node its new address. Resolves once the change is committed. */
  join(nodeId: string, address: string): Promise<{ readonly raftId: number; readonly members: readonly Member[] }>;
  /** Removes the node's member; does nothing when it has none. Resolves once the change is committed. */
  remove(nodeId: string): Promise<void>;
  members(): readonly MembershipMember[];
  /** Hands leadership to another member. Resolves once this one leads no more. */
  transferLeadership(): Promise<void>;
}

/** True when the other voters that are reachable are a majority of the group without the node's. */
export function survivesWithout(members: readonly MembershipMember[], nodeId: string): boolean {
  const { reachable, quorum } = groupWithout(members, nodeId);
  return reachable >= quorum;
}

/** The refusal of what `survivesWithout` says no to, with the figures that it is for. */
export function lossOfQuorum(members: readonly MembershipMember[], nodeId: string): ClusterError {
  const { voters, reachable, quorum } = groupWithout(members, nodeId);
  return new ClusterError(
    "failed_precondition",
    `can't remove member from the raft: this would result in a loss of quorum: of the ${voters} managers that would be left ${reachable} can be reached, and it takes ${quorum}`,
  );
}

function groupWithout(members: readonly MembershipMember[], nodeId: string): { readonly voters: number; readonly reachable: number; readonly quorum: number } {
  const others = members.filter((member) => member.isVoter && member.nodeId !== nodeId);
  const reachable = others.filter((member) => member.isReachable || member.isLeader).length;
  return { voters: others.length, reachable, quorum: Math.floor(others.length / 2) + 1 };
}
