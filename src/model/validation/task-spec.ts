import { parseConstraints } from "../constraints.js";
import type { Placement, RestartPolicy, TaskSpec } from "../objects.js";
import { validateContainer } from "./container.js";
import { invalid } from "./invalid.js";
import { validateResources } from "./resources.js";

/** Throws ClusterError `invalid_argument`. */
export function validateTaskSpec(task: TaskSpec | null): void {
  if (task === null) throw invalid("TaskSpec: missing runtime");
  validateResources(task.resources);
  validateRestart(task.restart);
  validatePlacement(task.placement);
  if (task.logDriver !== null && task.logDriver.name === "" && Object.keys(task.logDriver.options).length > 0) {
    throw invalid("TaskSpec: log driver options need a log driver name");
  }
  if (task.runtime !== "container") return;
  if (task.container === null) throw invalid("TaskSpec: missing runtime");
  validateContainer(task.container);
}

function validateRestart(restart: RestartPolicy | null): void {
  if ((restart?.delayNs ?? 0n) < 0n) throw invalid("TaskSpec: restart-delay cannot be negative");
  if ((restart?.windowNs ?? 0n) < 0n) throw invalid("TaskSpec: restart-window cannot be negative");
}

function validatePlacement(placement: Placement | null): void {
  parseConstraints(placement?.constraints ?? []);
}
