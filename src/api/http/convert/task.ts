import type { Network, Task, TaskStatus } from "../../../model/objects.js";
import type { Json } from "../json.js";
import { portToDocker } from "./endpoint.js";
import { genericResourceToDocker } from "./resources.js";
import { taskSpecToDocker } from "./task-spec.js";
import { metaJson, timeText } from "./time.js";
import { unlessEmpty } from "./zero-values.js";

/** `networkOf` finds the networks that the task is attached to, for their names. */
export function taskToDocker(task: Task, networkOf: (id: string) => Network | undefined): Json {
  return {
    ID: task.id,
    ...metaJson(task.meta),
    Name: unlessEmpty(task.name),
    Labels: task.labels,
    Spec: task.spec === null ? { ContainerSpec: {} } : taskSpecToDocker(task.spec),
    ServiceID: unlessEmpty(task.serviceId),
    Slot: task.slot === 0 ? undefined : task.slot,
    NodeID: unlessEmpty(task.nodeId),
    Status: taskStatusToDocker(task.status),
    DesiredState: task.desiredState,
    NetworksAttachments: unlessEmpty(
      task.networks.map((attachment) => ({
        Network: { ID: attachment.networkId, Spec: { Name: networkOf(attachment.networkId)?.spec?.name ?? attachment.networkId } },
        Addresses: attachment.addresses,
      })),
    ),
    GenericResources: unlessEmpty(task.assignedGenericResources.map(genericResourceToDocker)),
    JobIteration: task.jobIteration === 0 ? undefined : { Index: task.jobIteration },
    Volumes: [],
  };
}

function taskStatusToDocker(status: TaskStatus | null): Json {
  if (status === null) return { State: "new", PortStatus: {} };
  return {
    Timestamp: timeText(status.timestampMs),
    State: status.state,
    Message: unlessEmpty(status.message),
    Err: unlessEmpty(status.error),
    ContainerStatus:
      status.container === null ? undefined : { ContainerID: status.container.containerId, PID: status.container.pid, ExitCode: status.container.exitCode },
    PortStatus: { Ports: unlessEmpty(status.ports.map(portToDocker)) },
  };
}
