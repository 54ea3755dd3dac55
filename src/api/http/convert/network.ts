import { bridgeNetworkOf } from "../../../runtime/bridge-network.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { HostDescription } from "../backend.js";
import type { Json } from "../json.js";
import { EVERY_ADDRESS, networkModeOf } from "./network-settings.js";
import { timeText } from "./time.js";

/** A network that every host has. Its name is its id, so that a service's spec reads the same on each node. */
export interface BuiltInNetwork {
  readonly name: string;
  readonly driver: string;
}

export const BUILT_IN_NETWORKS: readonly BuiltInNetwork[] = [
  { name: "bridge", driver: "bridge" },
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
];

/** `containers` are all of this host, of which those on the network are shown. */
export function networkToDocker({ name, driver }: BuiltInNetwork, host: HostDescription, containers: readonly ContainerInfo[]): Json {
  const { bridge } = host;
  const isBridge = driver === "bridge";
  return {
    Name: name,
    Id: name,
    Created: timeText(host.startedAtMs),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: isBridge ? [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] : [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(containers.filter(({ config, state }) => state === "running" && networkModeOf(config) === name).map(endpointOf)),
    Options: isBridge
      ? {
          "com.docker.network.bridge.default_bridge": "true",
          "com.docker.network.bridge.enable_icc": "true",
          "com.docker.network.bridge.enable_ip_masquerade": "true",
          "com.docker.network.bridge.host_binding_ipv4": EVERY_ADDRESS,
          "com.docker.network.bridge.name": bridge.name,
          "com.docker.network.driver.mtu": `${bridge.mtu}`,
        }
      : {},
    Labels: {},
  };
}

function endpointOf({ config }: ContainerInfo): [string, Json] {
  const network = bridgeNetworkOf(config);
  const addresses = { MacAddress: network?.macAddress ?? "", IPv4Address: network?.address ?? "", IPv6Address: "" };
  return [config.id, { Name: config.name, EndpointID: config.id, ...addresses }];
}
