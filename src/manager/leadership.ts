import { isClusterError } from "../base/errors.js";

/** True for the two outcomes that say that this manager leads no more: a leader's loop ends quietly on them. */
export function isLeadershipLost(cause: unknown): boolean {
  return isClusterError(cause, "no_leader") || isClusterError(cause, "outcome_unknown");
}
