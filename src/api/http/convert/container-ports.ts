import type { PortConfig } from "../../../model/objects.js";
import { badRequest, notSupported } from "../errors.js";
import { Fields } from "./fields.js";

const PORT_MAX = 65_535;

/** `80/tcp`, as keys of ExposedPorts. */
export function exposedFromDocker(fields: Fields): readonly string[] {
  return fields.entries("ExposedPorts").map(({ key }) => key);
}

/** What is published: PortBindings, and with PublishAllPorts each exposed one on any port. */
export function bindingsFromDocker(host: Fields, exposed: readonly string[]): readonly PortConfig[] {
  const bindings = host.entries("PortBindings").flatMap(({ key, value, at }) => {
    const list = value === null ? [] : value;
    if (!Array.isArray(list)) throw badRequest(`${at} must be a list`);
    return (list.length === 0 ? [{}] : list).map((item: unknown, index) => bindingOf(key, new Fields(item, `${at}[${index}]`)));
  });
  if (!host.boolean("PublishAllPorts")) return bindings;
  const isBound = (port: PortConfig) => bindings.some(({ targetPort, protocol }) => targetPort === port.targetPort && protocol === port.protocol);
  const all = [...new Set(exposed)].map((key) => portOf(key, 0)).filter((port) => !isBound(port));
  return [...bindings, ...all];
}

function bindingOf(key: string, fields: Fields): PortConfig {
  const address = fields.string("HostIp");
  if (!["", "0.0.0.0", "::"].includes(address)) throw notSupported(`publishing on one address of the host is not supported yet: ${address}`);
  const text = fields.string("HostPort");
  fields.end();
  if (/^\d+-\d+$/.test(text)) throw notSupported(`publishing on one port of a range is not supported yet: ${text}`);
  if (!/^\d{0,5}$/.test(text) || Number(text) > PORT_MAX) throw badRequest(`invalid port specification: "${text}"`);
  return portOf(key, Number(text));
}

function portOf(key: string, publishedPort: number): PortConfig {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(key);
  const targetPort = Number(match?.[1] ?? 0);
  if (match === null || targetPort < 1 || targetPort > PORT_MAX) throw badRequest(`invalid port specification: "${key}"`);
  const protocol = (match[2] ?? "tcp").toLowerCase();
  if (protocol === "sctp") throw notSupported("publishing SCTP ports is not supported yet");
  return { name: "", protocol: protocol === "udp" ? "udp" : "tcp", targetPort, publishedPort, publishMode: "host" };
}
