import type { Endpoint, EndpointSpec, PortConfig } from "../../../model/objects.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";
import { sameWords } from "./words.js";
import { unlessEmpty, unlessZero } from "./zero-values.js";

const PORT_MAX = 65_535;

export function endpointSpecFromDocker(fields: Fields | null): EndpointSpec | null {
  if (fields === null) return null;
  const spec: EndpointSpec = {
    mode: fields.word("Mode", sameWords<EndpointSpec["mode"]>("vip", "dnsrr"), "vip"),
    ports: fields.children("Ports", portFromDocker),
  };
  fields.end();
  return spec;
}

export function endpointSpecToDocker(spec: EndpointSpec | null): Json {
  return spec === null ? undefined : { Mode: spec.mode, Ports: unlessEmpty(spec.ports.map(portToDocker)) };
}

export function endpointToDocker(endpoint: Endpoint | null): Json {
  if (endpoint === null) return { Spec: {} };
  return {
    Spec: endpointSpecToDocker(endpoint.spec) ?? {},
    Ports: unlessEmpty(endpoint.ports.map(portToDocker)),
    VirtualIPs: unlessEmpty(endpoint.virtualIps.map((ip) => ({ NetworkID: ip.networkId, Addr: unlessEmpty(ip.address) }))),
  };
}

function portFromDocker(fields: Fields): PortConfig {
  const port: PortConfig = {
    name: fields.string("Name"),
    protocol: fields.word("Protocol", sameWords<PortConfig["protocol"]>("tcp", "udp", "sctp"), "tcp"),
    targetPort: fields.count("TargetPort", PORT_MAX),
    publishedPort: fields.count("PublishedPort", PORT_MAX),
    publishMode: fields.word("PublishMode", sameWords<PortConfig["publishMode"]>("ingress", "host"), "ingress"),
  };
  fields.end();
  return port;
}

export function portToDocker(port: PortConfig): Json {
  return {
    Name: unlessEmpty(port.name),
    Protocol: port.protocol,
    TargetPort: unlessZero(port.targetPort),
    PublishedPort: unlessZero(port.publishedPort),
    PublishMode: port.publishMode,
  };
}
