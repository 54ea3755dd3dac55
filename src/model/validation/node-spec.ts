import type { NodeSpec } from "../objects.js";
import { invalid } from "./invalid.js";
import { validateLabels } from "./names.js";

/** Throws ClusterError `invalid_argument`. */
export function validateNodeSpec(spec: NodeSpec | null): asserts spec is NodeSpec {
  if (spec === null) throw invalid("node spec must be given");
  validateLabels("node", spec.labels);
}
