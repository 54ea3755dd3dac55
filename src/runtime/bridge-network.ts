import type { ContainerNetwork } from "../model/container-network.js";
import type { ContainerConfig } from "./container-config.js";

/** The container's own interface; null when it shares another stack or has loopback only. */
export function bridgeNetworkOf({ network }: Pick<ContainerConfig, "network">): ContainerNetwork | null {
  return network === null || network === "host" || "container" in network ? null : network;
}
