import { ClusterError } from "../../base/errors.js";

/** A client's input that can never be right. */
export function invalid(message: string): ClusterError {
  return new ClusterError("invalid_argument", message);
}

/** Input that is right in Swarm and that this cluster cannot do: refused, never accepted and ignored. */
export function notBuilt(sentence: string): ClusterError {
  return new ClusterError("unimplemented", sentence);
}
