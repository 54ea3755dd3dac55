import type { Node, NodeAvailability, NodeState, Service, ServiceSpec, Task, TaskState } from "../../src/model/objects.js";
import { assignedTask, taskSpec } from "./tasks.js";

export function replicated(replicas: number): Pick<ServiceSpec, "mode"> {
  return { mode: { type: "replicated", replicated: { replicas } } };
}

export const global: Pick<ServiceSpec, "mode"> = { mode: { type: "global", global: {} } };

/** A service spec with one replica and Swarm's defaults for everything else. */
export function serviceSpec(change: Partial<ServiceSpec> = {}): ServiceSpec {
  return { name: "web", labels: {}, task: taskSpec(), update: null, rollback: null, endpoint: null, ...replicated(1), ...change };
}

export function testService(spec: Partial<ServiceSpec> = {}, change: Partial<Service> = {}): Service {
  return {
    id: "service1",
    meta: null,
    spec: serviceSpec(spec),
    specVersion: 1,
    previousSpec: null,
    previousSpecVersion: 0,
    endpoint: null,
    updateStatus: null,
    jobStatus: null,
    ...change,
  };
}

export interface NodeChange {
  readonly state?: NodeState;
  readonly availability?: NodeAvailability;
  readonly labels?: Readonly<Record<string, string>>;
}

export function testNode(id: string, change: NodeChange = {}): Node {
  return {
    id,
    meta: null,
    spec: { name: "", labels: change.labels ?? {}, role: "worker", availability: change.availability ?? "active" },
    description: null,
    status: { state: change.state ?? "ready", message: "", address: "10.0.0.1" },
    role: "worker",
    publicKeyDigest: "",
    certificateExpiresAtMs: 0,
  };
}

export interface TaskChange extends Partial<Omit<Task, "status">> {
  readonly state?: TaskState;
  readonly createdAtMs?: number;
  /** When the status was accepted. */
  readonly atMs?: number;
}

/** A running task of `testService`, unless the change says otherwise. */
export function testTask(id: string, { state = "running", createdAtMs = 1, atMs = createdAtMs, ...change }: TaskChange = {}): Task {
  const task = assignedTask(id, change);
  return {
    ...task,
    meta: { version: 1, revision: 1, createdAtMs, updatedAtMs: atMs },
    status: { state, timestampMs: atMs, message: "", error: "", container: null, ports: [], appliedBy: "", appliedAtMs: atMs },
  };
}
