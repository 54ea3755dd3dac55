import type { ContainerConfig } from "../../src/runtime/container-runtime.js";

/** A container with nothing set but what it must have. */
export function containerConfig(id: string, name: string, change: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    id,
    name,
    image: "bb:v1",
    labels: {},
    entrypoint: [],
    command: ["sleep", "1d"],
    env: [],
    workingDir: "",
    user: "",
    groups: [],
    hostname: name,
    mounts: [],
    isRootReadOnly: false,
    capabilityAdd: [],
    capabilityDrop: [],
    noNewPrivileges: false,
    sysctls: {},
    ulimits: [],
    oomScoreAdj: 0,
    resources: { nanoCpus: 0, memoryBytes: 0, pids: 0 },
    stopSignal: "",
    network: null,
    hosts: [],
    dns: { nameservers: [], search: [], options: [] },
    log: { sizeBytesMax: 1_000_000, filesMax: 2 },
    ...change,
  };
}
