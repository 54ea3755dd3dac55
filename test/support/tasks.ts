import type { ContainerSpec, Task, TaskSpec } from "../../src/model/objects.js";

/** A container specification with nothing set but the image. */
export function containerSpec(change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    image: "bb:v1",
    labels: {},
    command: [],
    args: ["sleep", "1d"],
    hostname: "",
    env: [],
    dir: "",
    user: "",
    groups: [],
    tty: false,
    openStdin: false,
    readOnly: false,
    stopSignal: "",
    mounts: [],
    healthcheck: null,
    hosts: [],
    dns: null,
    secrets: [],
    configs: [],
    isolation: "",
    sysctls: {},
    capabilityAdd: [],
    capabilityDrop: [],
    ulimits: [],
    oomScoreAdj: 0n,
    privileges: null,
    registryAuth: "",
    ...change,
  };
}

export function taskSpec(container: Partial<ContainerSpec> = {}, change: Partial<TaskSpec> = {}): TaskSpec {
  return {
    runtime: "container",
    container: containerSpec(container),
    resources: null,
    restart: null,
    placement: null,
    networks: [],
    logDriver: null,
    forceUpdate: 0,
    ...change,
  };
}

/** A task as the scheduler leaves it: assigned, to be run. */
export function assignedTask(id: string, change: Partial<Task> = {}): Task {
  return {
    id,
    meta: null,
    name: `web.1.${id}`,
    labels: {},
    serviceId: "service1",
    serviceName: "web",
    serviceLabels: {},
    slot: 1,
    nodeId: "node1",
    spec: taskSpec(),
    specVersion: 1,
    status: {
      state: "assigned",
      timestampMs: 1,
      message: "scheduler assigned task to node",
      error: "",
      container: null,
      ports: [],
      appliedBy: "",
      appliedAtMs: 0,
    },
    desiredState: "running",
    endpoint: null,
    networks: [],
    assignedGenericResources: [],
    jobIteration: 0,
    ...change,
  };
}
