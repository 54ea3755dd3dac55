import { ClusterError } from "../base/errors.js";
import type { ContainerNetwork } from "../model/container-network.js";
import type { ContainerSpec, GenericResource, Platform, PortConfig, Task } from "../model/objects.js";
import { type TemplateContext, expandTemplate } from "../model/template.js";
import { containerMountOf } from "../runtime/container-mount.js";
import type { ContainerConfig, HealthConfig } from "../runtime/container-config.js";
import { resourcesOfTask } from "./task-resources.js";

/** What the agent knows of its own node. */
export interface AgentNode {
  readonly id: string;
  readonly hostname: string;
  readonly platform: Platform;
}

/** Which network a task's container gets: the default bridge, the host's own, or loopback only. */
export type NetworkMode = "bridge" | "host" | "none";

const TASK_ID_LABEL = "com.docker.swarm.task.id";

/** Nanoseconds: the grace between stop signal and kill when the service names none (swarm-surface 1.3). */
const STOP_GRACE_PERIOD_NS = 10_000_000_000n;

/** The container of a task. Throws ClusterError `invalid_argument` for a template that does not expand, `unimplemented` for what this node cannot do. */
export function containerConfigOf(
  task: Task,
  node: AgentNode,
  made: { readonly containerId: string; readonly network: ContainerNetwork | "host" | null },
): ContainerConfig {
  const spec = containerSpecOf(task);
  assertSupported(spec);
  const context = templateContextOf(task, node);
  const expand = (text: string) => expandTemplate(text, context);
  return {
    id: made.containerId,
    name: task.name,
    image: spec.image,
    labels: { ...spec.labels, ...swarmLabelsOf(task) },
    entrypoint: spec.command,
    command: spec.args,
    env: [...spec.env.map((variable) => expandVariable(variable, expand)), ...genericResourceEnv(task.assignedGenericResources)],
    workingDir: spec.dir,
    user: spec.user,
    groups: spec.groups,
    hostname: spec.hostname === "" ? made.containerId.slice(0, 12) : expand(spec.hostname),
    mounts: spec.mounts.map((mount) => containerMountOf(mount, expand)),
    isRootReadOnly: spec.readOnly,
    capabilityAdd: spec.capabilityAdd,
    capabilityDrop: spec.capabilityDrop,
    noNewPrivileges: spec.privileges?.noNewPrivileges ?? false,
    sysctls: spec.sysctls,
    ulimits: spec.ulimits.map((ulimit) => ({ name: ulimit.name, soft: Number(ulimit.soft), hard: Number(ulimit.hard) })),
    oomScoreAdj: Number(spec.oomScoreAdj),
    resources: resourcesOfTask(task.spec?.resources),
    stopSignal: spec.stopSignal,
    network: made.network,
    hosts: spec.hosts.map(hostLineOf),
    dns: { nameservers: spec.dns?.nameservers ?? [], search: spec.dns?.search ?? [], options: spec.dns?.options ?? [] },
    log: { driver: task.spec?.logDriver?.name ?? "", options: task.spec?.logDriver?.options ?? {} },
    domainname: "",
    terminal: { isTerminal: spec.tty, hasInput: spec.openStdin, isInputOnce: false },
    isPrivileged: false,
    devices: [],
    seccomp: seccompOf(spec),
    runtime: "",
    hasInit: spec.init ?? false,
    sharedMemoryBytes: 0,
    health: healthOf(spec),
    single: null,
  };
}

/** Throws ClusterError `invalid_argument` for a task that is not a container. */
export function containerSpecOf(task: Task): ContainerSpec {
  const spec = task.spec?.container;
  if (spec === undefined || spec === null) throw new ClusterError("invalid_argument", `task ${task.id} has no container`);
  return spec;
}

/** The id of the task that a container belongs to; undefined for one that is no task's. */
export function taskIdOf(labels: Readonly<Record<string, string>>): string | undefined {
  return labels[TASK_ID_LABEL];
}

/** Which network the task's spec asks for: the host's and none by the names of Docker's predefined networks. */
export function networkModeOf(task: Task): NetworkMode {
  const targets = (task.spec?.networks ?? []).map((network) => network.target);
  if (targets.includes("host")) return "host";
  return targets.includes("none") ? "none" : "bridge";
}

/** Ports that this node publishes by itself; ingress ports are the mesh's. */
export function hostPortsOf(task: Task): readonly PortConfig[] {
  const endpoint = task.endpoint;
  const ports = endpoint === null ? [] : endpoint.ports.length > 0 ? endpoint.ports : (endpoint.spec?.ports ?? []);
  return ports.filter((port) => port.publishMode === "host");
}

/** Milliseconds from the stop signal to SIGKILL; Swarm's 10 s where the spec says nothing. */
export function stopGracePeriodMsOf(task: Task): number {
  return Number(task.spec?.container?.stopGracePeriodNs ?? STOP_GRACE_PERIOD_NS) / 1e6;
}

function templateContextOf(task: Task, node: AgentNode): TemplateContext {
  return {
    service: { id: task.serviceId, name: task.serviceName, labels: task.serviceLabels },
    node,
    task: { id: task.id, name: task.name, slot: task.slot === 0 ? task.nodeId : String(task.slot) },
  };
}

/** Labels that tie a container to its task; they win over the service's own (swarm-surface 3.1). */
function swarmLabelsOf(task: Task): Readonly<Record<string, string>> {
  return {
    "com.docker.swarm.task": "",
    [TASK_ID_LABEL]: task.id,
    "com.docker.swarm.task.name": task.name,
    "com.docker.swarm.node.id": task.nodeId,
    "com.docker.swarm.service.id": task.serviceId,
    "com.docker.swarm.service.name": task.serviceName,
  };
}

/** Only the value is a template. */
function expandVariable(variable: string, expand: (text: string) => string): string {
  const equals = variable.indexOf("=");
  return equals < 0 ? variable : variable.slice(0, equals + 1) + expand(variable.slice(equals + 1));
}

/** `DOCKER_RESOURCE_GPU=id1,id2`: which of the node's resources the task may use (swarm-surface 3.1). */
function genericResourceEnv(resources: readonly GenericResource[]): readonly string[] {
  const values = new Map<string, string[]>();
  for (const { kind, named, discrete } of resources) values.set(kind, [...(values.get(kind) ?? []), named !== "" ? named : String(discrete)]);
  return [...values].map(([kind, all]) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${all.join(",")}`);
}

/** "IP host", as the API has it. */
function hostLineOf(line: string): { readonly address: string; readonly name: string } {
  const [address = "", ...names] = line.trim().split(/\s+/);
  return { address, name: names.join(" ") };
}

function healthOf({ healthcheck }: ContainerSpec): HealthConfig | null {
  if (healthcheck === null) return null;
  const ms = (ns: bigint) => Number(ns) / 1e6;
  return {
    test: healthcheck.test,
    intervalMs: ms(healthcheck.intervalNs),
    timeoutMs: ms(healthcheck.timeoutNs),
    startPeriodMs: ms(healthcheck.startPeriodNs),
    startIntervalMs: ms(healthcheck.startIntervalNs),
    retries: Number(healthcheck.retries),
  };
}

/** An empty mode is Docker's policy. */
function seccompOf({ privileges }: ContainerSpec): ContainerConfig["seccomp"] {
  if (privileges?.seccompMode === "unconfined") return "unconfined";
  return privileges?.seccompMode === "custom" ? { profile: new TextDecoder().decode(privileges.seccompProfile) } : "default";
}

/** Refused here too, not only where the service was created: a member of another version may have let it pass. */
function assertSupported(spec: ContainerSpec): void {
  const unsupported = [spec.secrets.length > 0 && "secrets", spec.configs.length > 0 && "configs"].filter((what) => what !== false);
  if (unsupported.length > 0) throw new ClusterError("unimplemented", `not supported yet on this node: ${unsupported.join(", ")}`);
}
