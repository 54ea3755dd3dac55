import { writeFile } from "node:fs/promises";
import { assert } from "../base/assert.js";
import { type Clock, systemClock } from "../base/clock.js";
import { isClusterError, systemCodeOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import { type Random, systemRandom } from "../base/random.js";
import type { Kernel } from "../kernel/kernel.js";
import type { HostPort } from "../model/host-port.js";
import { AddressPool, macAddressOf } from "./address-pool.js";
import { type BridgeRules, type PublishedPort, publishPorts, removeTable, replaceTable, withdrawPorts } from "./bridge-ruleset.js";
import type { AttachedEndpoint, HostNetwork, LiveEndpoint } from "./host-network.js";
import { HostPorts, type IsPortFree, isPortFree } from "./host-ports.js";
import { NftProcess, type PacketFilter } from "./nftables.js";

const MTU = 1_500;
const INTERFACE_NAME_MAX = 15;

export interface LocalHostNetworkOptions {
  /** 1 to 8 characters of a-z and 0-9 that no other daemon of this machine has. */
  readonly ownerId: string;
  /** IPv4 CIDR of the bridge. */
  readonly subnet: string;
  readonly kernel: Pick<Kernel, "createBridge" | "deleteLink" | "listLinks">;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly packetFilter?: PacketFilter;
  readonly isPortFree?: IsPortFree;
  /** Sets one kernel parameter; `isOptional` ones may not exist. */
  readonly setSysctl?: (name: string, value: string, options: { readonly isOptional: boolean }) => Promise<void>;
}

/** A bridge, its rules, and the endpoints on it, in the network namespace of the daemon. */
export class LocalHostNetwork implements HostNetwork {
  readonly #options: LocalHostNetworkOptions;
  readonly #rules: BridgeRules;
  readonly #packetFilter: PacketFilter;
  readonly #setSysctl: NonNullable<LocalHostNetworkOptions["setSysctl"]>;
  readonly #endpoints = new Map<string, AttachedEndpoint>();
  #pool: AddressPool;
  #ports: HostPorts;

  /** Throws ClusterError `invalid_argument` for a subnet that is none. */
  constructor(options: LocalHostNetworkOptions) {
    assert(/^[a-z0-9]{1,8}$/.test(options.ownerId), `owner id "${options.ownerId}" is 1 to 8 letters and digits`);
    this.#options = options;
    this.#pool = new AddressPool(options.subnet);
    this.#ports = this.#newPorts();
    this.#rules = { table: `swarm_${options.ownerId}`, bridge: `sw${options.ownerId}0`, subnet: this.#pool.subnet };
    this.#packetFilter = options.packetFilter ?? new NftProcess({ clock: options.clock ?? systemClock });
    this.#setSysctl = options.setSysctl ?? setSysctl;
  }

  get bridge(): string {
    return this.#rules.bridge;
  }

  /** What there is to tell of the network as a whole. */
  get description(): { readonly name: string; readonly subnet: string; readonly gateway: string; readonly mtu: number } {
    return { name: this.bridge, subnet: this.#pool.subnet, gateway: this.#pool.gateway, mtu: MTU };
  }

  async start(live: readonly LiveEndpoint[]): Promise<void> {
    this.#restore(live);
    const { kernel } = this.#options;
    await kernel.createBridge({ name: this.bridge, address: `${this.#pool.gateway}/${this.#pool.prefix}`, mtu: MTU });
    await this.#setSysctl("net.ipv4.ip_forward", "1", { isOptional: false });
    // For published ports at 127.0.0.1: without it the kernel drops what is translated to the bridge.
    await this.#setSysctl(`net.ipv4.conf.${this.bridge}.route_localnet`, "1", { isOptional: false });
    // What a container sends may name a router: without IPv6 the host believes none (CVE-2020-13401).
    await this.#setSysctl(`net.ipv6.conf.${this.bridge}.disable_ipv6`, "1", { isOptional: true });
    // Frames within the bridge are none of the IP rules' business; each network namespace begins with 1.
    for (const family of ["iptables", "ip6tables"]) await this.#setSysctl(`net.bridge.bridge-nf-call-${family}`, "0", { isOptional: true });
    await this.#packetFilter.apply(replaceTable(this.#rules, live.flatMap(publishedBy)));
    const kept = new Set(live.map(({ network }) => network.hostInterface));
    for (const { name } of await kernel.listLinks(this.#interfacePrefix)) if (!kept.has(name)) await kernel.deleteLink(name);
  }

  async attach(containerId: string, ports: readonly HostPort[], macAddress?: string): Promise<AttachedEndpoint> {
    const known = this.#endpoints.get(containerId);
    const endpoint = known ?? this.#newEndpoint(containerId, macAddress);
    if (known === undefined) this.#endpoints.set(containerId, endpoint);
    if (ports.length === 0 || endpoint.ports.length > 0) return endpoint;
    try {
      return await this.#publish(containerId, endpoint, ports);
    } catch (cause) {
      if (known === undefined) this.#forget(containerId, endpoint);
      throw cause;
    }
  }

  async detach(containerId: string): Promise<void> {
    const endpoint = this.#endpoints.get(containerId);
    if (endpoint === undefined) return;
    this.#endpoints.delete(containerId);
    try {
      if (endpoint.ports.length > 0) await this.#change(withdrawPorts(this.#rules, publishedBy(endpoint)));
    } catch (cause) {
      // Kept, so that nobody gets an address that the rules still lead to, and a later attempt can succeed.
      this.#endpoints.set(containerId, endpoint);
      throw cause;
    }
    this.#forget(containerId, endpoint);
  }

  publishedPorts(containerId: string): readonly HostPort[] {
    return this.#endpoints.get(containerId)?.ports ?? [];
  }

  async destroy(): Promise<void> {
    const { kernel } = this.#options;
    await this.#packetFilter.apply(removeTable(this.#rules));
    for (const { name } of await kernel.listLinks(this.#interfacePrefix)) await kernel.deleteLink(name);
    await kernel.deleteLink(this.bridge);
    this.#restore([]);
  }

  /** Ends what this process keeps running; the bridge and its rules stay for the containers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#packetFilter[Symbol.asyncDispose]();
  }

  get #interfacePrefix(): string {
    return `v${this.#options.ownerId}`;
  }

  #restore(live: readonly LiveEndpoint[]): void {
    this.#pool = new AddressPool(this.#options.subnet);
    this.#ports = this.#newPorts();
    this.#endpoints.clear();
    for (const { containerId, network, ports } of live) {
      this.#endpoints.set(containerId, { network, ports });
      this.#pool.reserve(addressOf(network.address));
      this.#ports.restore(containerId, ports);
    }
  }

  async #publish(containerId: string, endpoint: AttachedEndpoint, wanted: readonly HostPort[]): Promise<AttachedEndpoint> {
    const ports = await this.#ports.claim(containerId, wanted);
    const published = { ...endpoint, ports };
    // Known before it is done, so that whoever has to make the rules anew meanwhile does not leave it out.
    this.#endpoints.set(containerId, published);
    try {
      await this.#change(publishPorts(this.#rules, publishedBy(published)));
    } catch (cause) {
      this.#endpoints.set(containerId, endpoint);
      this.#ports.release(containerId, ports);
      throw cause;
    }
    return published;
  }

  /** Where somebody else removed the rules (`nft flush ruleset`), they are made anew for all, and the change with them. */
  async #change(commands: readonly string[]): Promise<void> {
    try {
      await this.#packetFilter.apply(commands);
    } catch (cause) {
      if (!isClusterError(cause, "internal")) throw cause;
      this.#options.logger.warn({ err: cause, table: this.#rules.table }, "the rules of the bridge are not as they were left: they are made anew");
      await this.#packetFilter.apply(replaceTable(this.#rules, [...this.#endpoints.values()].flatMap(publishedBy)));
    }
  }

  #newEndpoint(containerId: string, macAddress?: string): AttachedEndpoint {
    const hostInterface = this.#interfaceOf(containerId);
    const address = this.#pool.take();
    const { gateway, prefix } = this.#pool;
    return {
      network: { bridge: this.bridge, hostInterface, macAddress: macAddress ?? macAddressOf(address), address: `${address}/${prefix}`, gateway, mtu: MTU },
      ports: [],
    };
  }

  /** The prefix and as much of the container's id as fits; another part of the id when two begin alike. */
  #interfaceOf(containerId: string): string {
    const used = new Set([...this.#endpoints.values()].map(({ network }) => network.hostInterface));
    const length = INTERFACE_NAME_MAX - this.#interfacePrefix.length;
    for (let from = 0; from + length <= containerId.length; from++) {
      const name = this.#interfacePrefix + containerId.slice(from, from + length);
      if (!used.has(name)) return name;
    }
    throw new Error(`no interface name is left for container ${containerId}`);
  }

  #forget(containerId: string, endpoint: AttachedEndpoint): void {
    this.#endpoints.delete(containerId);
    this.#ports.release(containerId, endpoint.ports);
    this.#pool.release(addressOf(endpoint.network.address));
  }

  #newPorts(): HostPorts {
    return new HostPorts({ isFree: this.#options.isPortFree ?? isPortFree, random: this.#options.random ?? systemRandom });
  }
}

function publishedBy({ network, ports }: AttachedEndpoint): readonly PublishedPort[] {
  return ports.map((port) => ({ port, address: addressOf(network.address) }));
}

function addressOf(cidr: string): string {
  return cidr.split("/", 1)[0] ?? cidr;
}

/** A name's dots are folders; interface names of ours have none. */
async function setSysctl(name: string, value: string, options: { readonly isOptional: boolean }): Promise<void> {
  try {
    await writeFile(`/proc/sys/${name.replaceAll(".", "/")}`, value);
  } catch (cause) {
    if (!options.isOptional || systemCodeOf(cause) !== "ENOENT") throw cause;
  }
}
