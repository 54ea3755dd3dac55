import type { ContainerSpec, EndpointSpec, Mount, ServiceMode, ServiceSpec, TaskSpec } from "../objects.js";
import { notBuilt } from "./invalid.js";

/** Networks of the node itself, which need nothing of the cluster. */
const BUILT_NETWORKS: readonly string[] = ["bridge", "default", "host", "none"];

/** Throws ClusterError `unimplemented` with one sentence for the first thing in the spec that the cluster cannot do. */
export function refuseUnbuilt(spec: ServiceSpec): void {
  refuseMode(spec.mode);
  refuseEndpoint(spec.endpoint);
  if (spec.task === null) return;
  refuseTask(spec.task);
  if (spec.task.container !== null) refuseContainer(spec.task.container);
}

function refuseMode(mode: ServiceMode | null): void {
  if (mode?.type === "replicatedJob" || mode?.type === "globalJob") throw notBuilt("jobs are not supported yet");
}

function refuseEndpoint(endpoint: EndpointSpec | null): void {
  if (endpoint?.ports.some((port) => port.publishMode === "ingress"))
    throw notBuilt("publishing ports through the routing mesh is not supported yet: publish with mode=host");
  if (endpoint?.ports.some((port) => port.protocol === "sctp")) throw notBuilt("publishing SCTP ports is not supported yet");
}

function refuseTask(task: TaskSpec): void {
  if (task.runtime !== "container") throw notBuilt(`services with the runtime "${task.runtime}" are not supported yet`);
  const network = task.networks.find(({ target }) => !BUILT_NETWORKS.includes(target));
  if (network !== undefined) throw notBuilt(`attaching services to networks is not supported yet: "${network.target}" is none of bridge, host and none`);
  if (task.networks.length > 1) throw notBuilt("attaching services to more than one network is not supported yet");
  if ((task.resources?.reservations?.generic.length ?? 0) > 0) throw notBuilt("generic resources are not supported yet");
}

function refuseContainer(container: ContainerSpec): void {
  if (container.secrets.length > 0) throw notBuilt("secrets are not supported yet");
  if (container.configs.length > 0) throw notBuilt("configs are not supported yet");
  if (!["", "default"].includes(container.isolation)) throw notBuilt(`the isolation "${container.isolation}" is not supported`);
  refusePrivileges(container);
  for (const mount of container.mounts) refuseMount(mount);
}

function refusePrivileges({ privileges }: ContainerSpec): void {
  if (privileges === null) return;
  if (privileges.apparmorMode !== "") throw notBuilt("AppArmor settings are not supported yet");
}

function refuseMount({ type, volumeOptions }: Mount): void {
  if (type !== "bind" && type !== "tmpfs" && type !== "volume") throw notBuilt(`mounts of type ${type} are not supported yet: bind, volume and tmpfs are`);
  const driver = volumeOptions?.driver?.name ?? "";
  if (!["", "local"].includes(driver)) throw notBuilt(`the volume driver "${driver}" is not supported yet: local is`);
}
