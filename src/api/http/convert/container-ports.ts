import type { HostPort } from "../../../model/host-port.js";
import { isIPv4, isIPv6 } from "node:net";
import { badRequest, notSupported } from "../errors.js";
import { Fields } from "./fields.js";

const PORT_MAX = 65_535;

/** `80/tcp`, as keys of ExposedPorts. Throws 400 for what is no port. */
export function exposedFromDocker(fields: Fields): readonly string[] {
  return fields.entries("ExposedPorts").map(({ key }) => {
    const { targetPort, protocol } = targetOf(key);
    return `${targetPort}/${protocol}`;
  });
}

/** What is published: PortBindings, and with PublishAllPorts each exposed one on any port. */
export function bindingsFromDocker(host: Fields, exposed: readonly string[]): readonly HostPort[] {
  const bindings = host.entries("PortBindings").flatMap(({ key, value, at }) => {
    const list = value === null ? [] : value;
    if (!Array.isArray(list)) throw badRequest(`${at} must be a list`);
    return (list.length === 0 ? [{}] : list).map((item: unknown, index) => bindingOf(key, new Fields(item, `${at}[${index}]`)));
  });
  if (!host.boolean("PublishAllPorts")) return bindings;
  const isBound = (port: HostPort) => bindings.some(({ targetPort, protocol }) => targetPort === port.targetPort && protocol === port.protocol);
  const all = [...new Set(exposed)].map((key) => portOf(key, 0)).filter((port) => !isBound(port));
  return [...bindings, ...all];
}

function bindingOf(key: string, fields: Fields): HostPort {
  const address = addressOf(fields.string("HostIp"));
  const text = fields.string("HostPort");
  fields.end();
  const [, first = "", last = first] = /^(\d{0,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [firstPort, lastPort] = [Number(first), Number(last)];
  const isWrong = (text !== "" && first === "") || lastPort > PORT_MAX || firstPort > lastPort || (first !== last && firstPort === 0);
  if (isWrong) throw badRequest(`invalid port specification: "${text}"`);
  return { ...portOf(key, firstPort), ...address, ...(firstPort === lastPort ? {} : { lastPort }) };
}

/** Nothing for each address of the host. */
function addressOf(text: string): Pick<HostPort, "address"> {
  if (["", "0.0.0.0", "::"].includes(text)) return {};
  if (isIPv6(text)) throw notSupported(`publishing on an IPv6 address is not supported yet: ${text}`);
  if (!isIPv4(text)) throw badRequest(`invalid IP address to publish a port on: "${text}"`);
  return { address: text };
}

function targetOf(key: string): { readonly targetPort: number; readonly protocol: string } {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(key);
  const targetPort = Number(match?.[1] ?? 0);
  if (match === null || targetPort < 1 || targetPort > PORT_MAX) throw badRequest(`invalid port specification: "${key}"`);
  return { targetPort, protocol: (match[2] ?? "tcp").toLowerCase() };
}

function portOf(key: string, publishedPort: number): HostPort {
  const { targetPort, protocol } = targetOf(key);
  if (protocol === "sctp") throw notSupported("publishing SCTP ports is not supported yet");
  return { name: "", protocol: protocol === "udp" ? "udp" : "tcp", targetPort, publishedPort, publishMode: "host" };
}
