import type { HostPort } from "../../../model/host-port.js";
import { bridgeNetworkOf } from "../../../runtime/bridge-network.js";
import type { ContainerConfig } from "../../../runtime/container-config.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import { EMPTY_CONFIG } from "../../../runtime/images/import-changes.js";
import { exposedPortsOf } from "../../../runtime/process-config.js";
import type { Json } from "../json.js";

/** Where published ports listen that name no address. */
export const EVERY_ADDRESS = "0.0.0.0";

/** There is no IPv6 in the default bridge. */
const NO_IPV6 = { IPv6Gateway: "", GlobalIPv6Address: "", GlobalIPv6PrefixLen: 0 } as const;

/** Key of the flat network that containers are on until user-defined ones exist. */
export function networkModeOf({ network }: ContainerConfig): string {
  if (network === "host") return "host";
  if (network === null) return "none";
  return "container" in network ? `container:${network.container}` : "bridge";
}

/** Where a container is on the network, and which ports of this host lead to it. `image` is null for one that is gone. */
export function networkSettingsToDocker(container: ContainerInfo, ports: readonly HostPort[], image: ImageConfig | null): { readonly [name: string]: Json } {
  return {
    Bridge: "",
    SandboxID: "",
    // The namespace itself, as long as there is one.
    SandboxKey: container.pid === 0 ? "" : `/proc/${container.pid}/ns/net`,
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    Ports: { ...Object.fromEntries(unpublishedOf(container, ports, image).map((target) => [target, null])), ...bindingsOf(ports) },
    EndpointID: endpointIdOf(container),
    ...addressesOf(container),
    Networks: networksToDocker(container),
  };
}

/** By name; a container that shares another one's network has none of its own. */
export function networksToDocker(container: ContainerInfo): { readonly [name: string]: Json } {
  const name = networkModeOf(container.config);
  if (name.startsWith("container:")) return {};
  const unset = { IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null };
  return { [name]: { ...unset, NetworkID: name, EndpointID: endpointIdOf(container), ...addressesOf(container) } };
}

/** Where it listens on the bridge alone, as "80/tcp", while it runs. */
export function unpublishedOf({ config, state }: ContainerInfo, ports: readonly HostPort[], image: ImageConfig | null): readonly string[] {
  if (state !== "running" || bridgeNetworkOf(config) === null) return [];
  const published = ports.map((port) => `${port.targetPort}/${port.protocol}`);
  return exposedPortsOf(config, image ?? EMPTY_CONFIG).filter((target) => !published.includes(target));
}

/** By "80/tcp", where on the host each is found. */
export function bindingsOf(ports: readonly HostPort[]): { readonly [target: string]: Json } {
  const bindings = new Map<string, Json[]>();
  for (const port of ports) {
    const target = `${port.targetPort}/${port.protocol}`;
    bindings.set(target, [...(bindings.get(target) ?? []), { HostIp: port.address ?? EVERY_ADDRESS, HostPort: portText(port) }]);
  }
  return Object.fromEntries(bindings);
}

/** A range as it was asked for. */
function portText({ publishedPort, lastPort }: HostPort): string {
  return lastPort === undefined ? `${publishedPort}` : `${publishedPort}-${lastPort}`;
}

/** A container has at most one place on the network, while it runs: its own id says which. */
function endpointIdOf({ config, state }: ContainerInfo): string {
  return state === "running" && bridgeNetworkOf(config) !== null ? config.id : "";
}

/** An address is a container's own while it runs. */
function addressesOf({ config, state }: ContainerInfo): { readonly [name: string]: Json } {
  const network = state === "exited" ? null : bridgeNetworkOf(config);
  if (network === null) return { IPAddress: "", IPPrefixLen: 0, Gateway: "", MacAddress: "", ...NO_IPV6 };
  const [address = "", prefixLength = "0"] = network.address.split("/");
  return { IPAddress: address, IPPrefixLen: Number(prefixLength), Gateway: network.gateway, MacAddress: network.macAddress, ...NO_IPV6 };
}
