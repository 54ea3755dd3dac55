import type { Logger } from "../base/log.js";
import type { PortConfig } from "../model/objects.js";
import type { LiveEndpoint } from "../network/host-network.js";
import { bridgeNetworkOf } from "../runtime/bridge-network.js";
import type { ContainerRuntime } from "../runtime/container-runtime.js";
import { TaskStore } from "./task-store.js";

/**
 * The endpoints of containers that are still there, with the ports that their tasks had published: what a host network must be started
 * with, so that a restart of the daemon cuts nobody off. `folder` is the worker's.
 */
export async function loadLiveEndpoints(options: {
  readonly folder: string;
  readonly runtime: ContainerRuntime;
  readonly logger: Logger;
}): Promise<readonly LiveEndpoint[]> {
  const ports = new Map<string, readonly PortConfig[]>();
  for (const { status } of await new TaskStore(options).load()) {
    if (status !== null && status.container !== null) ports.set(status.container.containerId, status.ports);
  }
  return options.runtime.list().flatMap(({ config, state }) => {
    const network = bridgeNetworkOf(config);
    if (state === "exited" || network === null) return [];
    return [{ containerId: config.id, network, ports: (state === "running" ? config.single?.published : undefined) ?? ports.get(config.id) ?? [] }];
  });
}
