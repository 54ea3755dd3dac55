import type { Service, UpdateStatus } from "../../../model/objects.js";
import type { Json } from "../json.js";
import { endpointToDocker } from "./endpoint.js";
import { withServiceDefaults } from "./service-defaults.js";
import { serviceSpecToDocker } from "./service-spec.js";
import { metaJson, timeText } from "./time.js";

/** How many tasks of a service run, and how many should. */
export interface ServiceCounts {
  readonly running: number;
  readonly desired: number;
  readonly completed: number;
}

export interface ServiceJsonOptions {
  /** Shows what holds where the client gave no value. */
  readonly insertDefaults?: boolean;
  readonly counts?: ServiceCounts;
}

export function serviceToDocker(service: Service, options: ServiceJsonOptions = {}): Json {
  const shown = options.insertDefaults === true && service.spec !== null ? withServiceDefaults(service.spec) : service.spec;
  return {
    ID: service.id,
    ...metaJson(service.meta),
    Spec: shown === null ? {} : serviceSpecToDocker(shown),
    PreviousSpec: service.previousSpec === null ? undefined : serviceSpecToDocker(service.previousSpec),
    Endpoint: endpointToDocker(service.endpoint),
    UpdateStatus: service.updateStatus === null ? undefined : updateStatusToDocker(service.updateStatus),
    ServiceStatus:
      options.counts === undefined
        ? undefined
        : { RunningTasks: options.counts.running, DesiredTasks: options.counts.desired, CompletedTasks: options.counts.completed },
    JobStatus:
      service.jobStatus === null
        ? undefined
        : { JobIteration: { Index: service.jobStatus.iteration }, LastExecution: timeText(service.jobStatus.lastExecutionMs) },
  };
}

function updateStatusToDocker(status: UpdateStatus): Json {
  return {
    State: status.state,
    StartedAt: status.startedAtMs === 0 ? undefined : timeText(status.startedAtMs),
    CompletedAt: status.completedAtMs === 0 ? undefined : timeText(status.completedAtMs),
    Message: status.message,
  };
}
