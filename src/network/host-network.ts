import type { ContainerNetwork } from "../model/container-network.js";
import type { HostPort } from "../model/host-port.js";

/**
 * The default network of one host: a bridge with outbound NAT, and host-mode published ports. Knows endpoints, not tasks.
 * Every kernel object carries the owner id; a sweep touches only its own.
 */
export interface HostNetwork {
  /** Makes bridge and rules, and removes endpoints and rules of containers that are not in `live`. */
  start(live: readonly LiveEndpoint[]): Promise<void>;
  /**
   * An address and published ports for a container. Attaching again with ports publishes them for the address that it has: so a container
   * can be made while an older one still holds its ports. Throws ClusterError `already_exists` when a host port is taken (the message names it),
   * `unavailable` when the pool is exhausted (used and total). The hardware address is the one that is asked for, or goes with the address.
   */
  attach(containerId: string, ports: readonly HostPort[], macAddress?: string): Promise<AttachedEndpoint>;
  /** Withdraws ports and address; does nothing for an unknown container. */
  detach(containerId: string): Promise<void>;
  /** The ports of this host that lead to the container now; empty for an unknown one. */
  publishedPorts(containerId: string): readonly HostPort[];
  /** Removes every kernel object of this owner: when the node leaves the swarm. */
  destroy(): Promise<void>;
}

export interface AttachedEndpoint {
  readonly network: ContainerNetwork;
  /** With the port numbers that were chosen. */
  readonly ports: readonly HostPort[];
}

/** What a restarted daemon knows of a container that is still there. */
export interface LiveEndpoint extends AttachedEndpoint {
  readonly containerId: string;
}
