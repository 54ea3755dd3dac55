import type { ServiceMode, ServiceSpec } from "../objects.js";
import { refuseUnbuilt } from "./unbuilt.js";
import { validateEndpoint } from "./endpoint.js";
import { invalid } from "./invalid.js";
import { validateLabels, validateServiceName } from "./names.js";
import { validateTaskSpec } from "./task-spec.js";
import { validateTemplates } from "./templates.js";
import { validateUpdateConfig } from "./update-config.js";

/** Replicas of one service: beyond this a number is a mistake of the pen. */
const REPLICAS_MAX = 1_000_000;

/**
 * Checks a service's spec by itself, without looking at other objects. Throws ClusterError `invalid_argument` for what can never be right,
 * then `unimplemented` for what is not built. Texts are those of swarm-surface 3.18.
 */
export function validateServiceSpec(spec: ServiceSpec | null): asserts spec is ServiceSpec {
  if (spec === null) throw invalid("service spec must be given");
  validateServiceName(spec.name);
  validateLabels("service", spec.labels);
  validateMode(spec.mode);
  validateTaskSpec(spec.task);
  if (spec.task?.container) validateTemplates(spec.task.container, spec);
  validateUpdateConfig("update", spec.update);
  validateUpdateConfig("rollback", spec.rollback);
  validateEndpoint(spec.endpoint);
  refuseUnbuilt(spec);
}

function validateMode(mode: ServiceMode | null): void {
  if (mode === null) throw invalid("service mode must be set");
  if (mode.type === "replicated" && mode.replicated.replicas > REPLICAS_MAX) {
    throw invalid(`${mode.replicated.replicas} replicas are more than the ${REPLICAS_MAX} that a service can have`);
  }
}
