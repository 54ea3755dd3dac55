import type { EndpointSpec, PortConfig } from "../objects.js";
import { invalid } from "./invalid.js";

const PORT_MAX = 65_535;

/** Throws ClusterError `invalid_argument`. */
export function validateEndpoint(endpoint: EndpointSpec | null): void {
  if (endpoint === null) return;
  const published = new Set<string>();
  const targets = new Set<string>();
  for (const port of endpoint.ports) {
    validatePort(port);
    if (endpoint.mode === "dnsrr" && port.publishMode === "ingress") {
      throw invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    }
    if (!add(targets, `${port.protocol}/${port.targetPort}/${port.publishedPort}/${port.publishMode}`))
      throw invalid(`EndpointSpec: duplicate port ${port.targetPort}/${port.protocol}`);
    if (port.publishedPort !== 0 && !add(published, `${port.protocol}/${port.publishedPort}`))
      throw invalid("EndpointSpec: duplicate published ports provided");
  }
}

function validatePort(port: PortConfig): void {
  if (port.targetPort < 1 || port.targetPort > PORT_MAX) throw invalid(`EndpointSpec: target port ${port.targetPort} is not between 1 and ${PORT_MAX}`);
  if (port.publishedPort > PORT_MAX) throw invalid(`EndpointSpec: published port ${port.publishedPort} is not between 0 and ${PORT_MAX}`);
}

function add(set: Set<string>, key: string): boolean {
  const isNew = !set.has(key);
  set.add(key);
  return isNew;
}
