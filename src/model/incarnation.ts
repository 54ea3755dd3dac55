import { ClusterError } from "../base/errors.js";
import type { Cluster } from "./objects.js";

/** Which life of a cluster somebody belongs to: a new one begins with each forced new cluster and each restore, without the managers of the one before. */
export type Incarnation = Pick<Cluster, "incarnation" | "formerIncarnations">;

/**
 * To be called with what a manager says that it is of; empty is a node that has no place yet. Throws ClusterError `failed_precondition` with what to do, and with the
 * detail `foundedAnew` when it is of one before: its part in the cluster is over.
 */
export function assertSameIncarnation(own: Incarnation, theirs: string): void {
  if (theirs === "" || theirs === own.incarnation) return;
  if (own.formerIncarnations.includes(theirs)) {
    throw new ClusterError(
      "failed_precondition",
      `the cluster was founded anew, as incarnation ${own.incarnation}, without the managers of incarnation ${theirs}: leave it by force on this node, and join again`,
      { details: { foundedAnew: own.incarnation } },
    );
  }
  throw new ClusterError(
    "failed_precondition",
    `a manager of incarnation ${own.incarnation} of the cluster knows nothing of incarnation ${theirs}: nodes of the one that is not to go on have to leave it by force, and join again`,
  );
}

/** The same for a worker: one of an incarnation before comes over. */
export function assertNotForeign(own: Incarnation, theirs: string): void {
  if (!own.formerIncarnations.includes(theirs)) assertSameIncarnation(own, theirs);
}
