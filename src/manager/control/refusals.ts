import { ClusterError } from "../../base/errors.js";

/** The object that the request names does not exist. */
export function missing(kind: "service" | "node" | "cluster", id: string): ClusterError {
  return new ClusterError("not_found", `${kind} ${id} not found`);
}

/** The object changed since the client read it. The text begins as docker's does: scripts look for it. A write that is not yet in the log has no version. */
export function outOfSequence(given: number, current: number | undefined): ClusterError {
  const newer = current === undefined || current < 0 ? "a newer one is being written" : `${current} is the current one`;
  return new ClusterError("conflict", `update out of sequence: version ${given} was given, and ${newer}`);
}
