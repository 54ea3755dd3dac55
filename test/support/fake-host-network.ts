import { ClusterError } from "../../src/base/errors.js";
import type { PortConfig } from "../../src/model/objects.js";
import type { AttachedEndpoint, HostNetwork, LiveEndpoint } from "../../src/network/host-network.js";

/** Addresses and ports in memory. */
export class FakeHostNetwork implements HostNetwork {
  readonly endpoints = new Map<string, AttachedEndpoint>();
  #last = 1;

  async start(live: readonly LiveEndpoint[]): Promise<void> {
    this.endpoints.clear();
    for (const endpoint of live) this.endpoints.set(endpoint.containerId, endpoint);
  }

  async attach(containerId: string, ports: readonly PortConfig[], macAddress?: string): Promise<AttachedEndpoint> {
    for (const [owner, endpoint] of this.endpoints) {
      const taken = endpoint.ports.find((port) => ports.some((wanted) => wanted.publishedPort === port.publishedPort && wanted.publishedPort !== 0));
      if (owner !== containerId && taken !== undefined)
        throw new ClusterError("already_exists", `port ${taken.publishedPort}/tcp is already in use on this host`);
    }
    const number = ++this.#last;
    const known = this.endpoints.get(containerId);
    const endpoint: AttachedEndpoint = {
      network: known?.network ?? {
        bridge: "swtest0",
        hostInterface: `vtest${number}`,
        macAddress: macAddress ?? "02:42:ac:1e:00:02",
        address: `172.30.0.${number}/16`,
        gateway: "172.30.0.1",
        mtu: 1500,
      },
      ports: ports.map((port) => (port.publishedPort === 0 ? { ...port, publishedPort: 32768 + number } : port)),
    };
    this.endpoints.set(containerId, endpoint);
    return endpoint;
  }

  async detach(containerId: string): Promise<void> {
    this.endpoints.delete(containerId);
  }

  publishedPorts(containerId: string): readonly PortConfig[] {
    return this.endpoints.get(containerId)?.ports ?? [];
  }

  async destroy(): Promise<void> {
    this.endpoints.clear();
  }
}
