import type { ServiceSpec } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import type { Json } from "../json.js";
import type { ApiMinor } from "../version.js";
import { endpointSpecFromDocker, endpointSpecToDocker } from "./endpoint.js";
import { Fields } from "./fields.js";
import { withoutNewerFields } from "./newer-fields.js";
import { serviceModeFromDocker, serviceModeToDocker } from "./service-mode.js";
import { taskSpecFromDocker, taskSpecToDocker } from "./task-spec.js";
import { updateConfigFromDocker, updateConfigToDocker } from "./update-config.js";

/** From this version on, networks belong to the task template alone. */
const TASK_NETWORKS_ONLY_MINOR = 44;

/** dockerode sends the parameters of the request in its body, too. */
const REQUEST_PARAMETERS = ["version", "rollback", "registryAuthFrom", "authconfig", "abortSignal"];

export interface SpecSource {
  readonly apiMinor: ApiMinor;
  /** As it came in X-Registry-Auth; empty without one. */
  readonly registryAuth: string;
}

/**
 * A service as a client sent it. What it means stays the same both ways: `serviceSpecFromDocker(serviceSpecToDocker(x))` equals `x`
 * (but for the credentials, which are never shown). Throws 400 for a value of the wrong type or an unknown word, 501 for a setting that
 * the cluster does not have.
 */
export function serviceSpecFromDocker(body: unknown, source: SpecSource): ServiceSpec {
  const fields = new Fields(withoutNewerFields(body, source.apiMinor), "");
  fields.ignore(...REQUEST_PARAMETERS);
  const task = fields.child("TaskTemplate");
  if (task === null) throw badRequest("TaskTemplate must be given");
  const olderNetworks = fields.children("Networks", (network) => network);
  const spec: ServiceSpec = {
    name: fields.string("Name"),
    labels: fields.record("Labels"),
    task: taskSpecFromDocker(task, {
      registryAuth: source.registryAuth,
      networks: source.apiMinor < TASK_NETWORKS_ONLY_MINOR ? olderNetworks : [],
    }),
    mode: serviceModeFromDocker(fields.child("Mode")),
    update: updateConfigFromDocker(fields.child("UpdateConfig"), ["pause", "continue", "rollback"]),
    rollback: updateConfigFromDocker(fields.child("RollbackConfig"), ["pause", "continue"]),
    endpoint: endpointSpecFromDocker(fields.child("EndpointSpec")),
  };
  fields.end();
  return spec;
}

export function serviceSpecToDocker(spec: ServiceSpec): Json {
  return {
    Name: spec.name,
    Labels: spec.labels,
    TaskTemplate: spec.task === null ? { ContainerSpec: {} } : taskSpecToDocker(spec.task),
    Mode: serviceModeToDocker(spec.mode),
    UpdateConfig: updateConfigToDocker(spec.update),
    RollbackConfig: updateConfigToDocker(spec.rollback),
    EndpointSpec: endpointSpecToDocker(spec.endpoint),
  };
}
