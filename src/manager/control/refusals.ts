import { ClusterError } from "../../base/errors.js";

/** The object that the request names does not exist. */
export function missing(kind: "service" | "node" | "cluster", id: string): ClusterError {
  return new ClusterError("not_found", `${kind} ${id} not found`);
}

/** The object changed since the client read it. */
export function outOfSequence(): ClusterError {
  return new ClusterError("conflict", "update out of sequence");
}
