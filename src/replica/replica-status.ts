import type { Role } from "../raft/ready.js";
import type { Member } from "../wire/generated/raft.js";

/** A member as seen from this one. */
export interface MemberStatus extends Member {
  /** Whether this member's connection to it is up and, on a leader, it answered within the last two election timeouts. */
  readonly isReachable: boolean;
  readonly isLeader: boolean;
  /** A learner counts for nothing until it has caught up. */
  readonly isVoter: boolean;
}

/** Who leads, as far as this member knows. Told to listeners whenever it changes. */
export interface Leadership {
  /** True when this member leads and its store holds everything that was acknowledged before. */
  readonly isLeader: boolean;
  /** Undefined while none is known. */
  readonly leader: Member | undefined;
  readonly term: number;
  /** This member was removed from the group: it takes no part any more. */
  readonly isRemoved: boolean;
}

export interface ReplicaStatus {
  readonly raftId: number;
  readonly role: Role;
  readonly isLeader: boolean;
  readonly isRemoved: boolean;
  /** Raft id; 0 when none is known. */
  readonly leaderId: number;
  readonly leader: Member | null;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly members: readonly MemberStatus[];
}
