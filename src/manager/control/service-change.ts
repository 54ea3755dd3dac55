import { ClusterError } from "../../base/errors.js";
import type { Service, ServiceSpec } from "../../model/objects.js";
import type { RegistryAuthSource } from "../../wire/generated/control.js";

/**
 * The service with a new spec, the old one kept for a rollback. A new spec always ends the update that was under way: the updater
 * takes it up anew. Throws ClusterError `unimplemented` for a new name or another mode.
 */
export function updated(service: Service, given: ServiceSpec | null, authSource: RegistryAuthSource): Service {
  const current = service.spec;
  if (given === null || current === null) throw new ClusterError("invalid_argument", "service spec must be given");
  if (given.name !== current.name) throw new ClusterError("unimplemented", "renaming services is not supported");
  if (given.mode?.type !== current.mode?.type) throw new ClusterError("unimplemented", "service mode change is not allowed");
  return {
    ...service,
    spec: withAuth(given, service, authSource),
    specVersion: nextSpecVersion(service),
    previousSpec: current,
    previousSpecVersion: service.specVersion,
    updateStatus: null,
  };
}

/** The service with its previous spec again; rolling back twice returns. Throws ClusterError `failed_precondition` when there is none. */
export function rolledBack(service: Service, nowMs: number): Service {
  if (service.previousSpec === null) throw new ClusterError("failed_precondition", `service ${service.id} does not have a previous spec`);
  return {
    ...service,
    spec: service.previousSpec,
    specVersion: nextSpecVersion(service),
    previousSpec: service.spec,
    previousSpecVersion: service.specVersion,
    updateStatus: { state: "rollback_started", startedAtMs: nowMs, completedAtMs: 0, message: "manually requested rollback" },
  };
}

function nextSpecVersion(service: Service): number {
  return Math.max(service.specVersion, service.previousSpecVersion) + 1;
}

/** Clients do not see the registry's credentials and so cannot send them back: without new ones those of the chosen spec stay. */
function withAuth(given: ServiceSpec, service: Service, source: RegistryAuthSource): ServiceSpec {
  if (given.task === null || given.task.container === null || given.task.container.registryAuth !== "") return given;
  if (source === "previous_spec" && service.previousSpec === null)
    throw new ClusterError("failed_precondition", `service ${service.id} does not have a previous spec`);
  const from = source === "previous_spec" ? service.previousSpec : service.spec;
  const registryAuth = from?.task?.container?.registryAuth ?? "";
  return registryAuth === "" ? given : { ...given, task: { ...given.task, container: { ...given.task.container, registryAuth } } };
}
