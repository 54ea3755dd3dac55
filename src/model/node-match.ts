import { isClusterError } from "../base/errors.js";
import { type Constraint, matchesConstraints, parseConstraints } from "./constraints.js";
import type { Node } from "./objects.js";

/**
 * True when the node satisfies the constraints of a stored spec. Unreadable ones were refused when the spec was made; should a stored one
 * be so all the same, it constrains nothing, as in Swarm, rather than stopping whoever looks at the service.
 */
export function nodeMatches(expressions: readonly string[], node: Node): boolean {
  let constraints: readonly Constraint[] = [];
  try {
    constraints = parseConstraints(expressions);
  } catch (cause) {
    if (!isClusterError(cause, "invalid_argument")) throw cause;
  }
  return matchesConstraints(constraints, node);
}
