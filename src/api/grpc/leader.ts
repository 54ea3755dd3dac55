import { ClusterError } from "../../base/errors.js";

/** What the leader of the cluster offers to nodes, and where it is when this member is not it. */
export interface LeaderAccess<T> {
  /** Null while this member does not lead. */
  leader(): T | null;
  /** host:port of the leader; "" when none is known. */
  leaderAddress(): string;
}

/** Throws ClusterError `unavailable` with `details.leader`, which agents follow, while this member does not lead. */
export function requireLeader<T>(access: LeaderAccess<T>): T {
  const leader = access.leader();
  if (leader !== null) return leader;
  const address = access.leaderAddress();
  throw new ClusterError("unavailable", `not the leader${address === "" ? ", and none is known" : `, which is at ${address}`}`, {
    details: { leader: address },
  });
}
