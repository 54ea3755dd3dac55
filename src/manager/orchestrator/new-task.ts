import type { Endpoint, Service, Task, TaskState } from "../../model/objects.js";

export interface NewTaskOptions {
  readonly id: string;
  readonly service: Service;
  /** 1..N for a replicated service, 0 for a global one. */
  readonly slot: number;
  /** The node of a global service's task; empty for a replicated one. */
  readonly nodeId: string;
  readonly desiredState: TaskState;
  readonly nowMs: number;
  readonly replacesTaskId?: string;
  readonly startDelayMs?: number;
}

/** A task made from the service's current spec. The allocator finds it by its state `new`. */
export function newTask(options: NewTaskOptions): Task {
  const { id, service, slot, nodeId } = options;
  const name = service.spec?.name ?? "";
  return {
    id,
    meta: null,
    name: `${name}.${slot === 0 ? nodeId : slot}.${id}`,
    labels: {},
    serviceId: service.id,
    serviceName: name,
    serviceLabels: service.spec?.labels ?? {},
    slot,
    nodeId,
    spec: service.spec?.task ?? null,
    specVersion: service.specVersion,
    status: { state: "new", timestampMs: options.nowMs, message: "created", error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0 },
    desiredState: options.desiredState,
    endpoint: endpointOf(service),
    networks: [],
    assignedGenericResources: [],
    jobIteration: 0,
    ...(options.replacesTaskId === undefined ? {} : { replacesTaskId: options.replacesTaskId }),
    ...(options.startDelayMs === undefined ? {} : { startDelayMs: options.startDelayMs }),
  };
}

/** Ports of mode host belong to the task and are known now; ingress ports and virtual addresses belong to the service. */
function endpointOf(service: Service): Endpoint | null {
  const spec = service.spec?.endpoint ?? null;
  return spec === null ? null : { spec, ports: spec.ports.filter((port) => port.publishMode === "host"), virtualIps: [] };
}
