import { isIP } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { ClusterError } from "../base/errors.js";

const DEFAULT_PORT = 2377;

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host[:port]`, with IPv6 in brackets. Throws ClusterError `invalid_argument` with the text. */
export function parseHostPort(text: string, defaultPort = DEFAULT_PORT): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? (isIP(text) === 6 ? text : "");
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === "" || port < 1 || port > 65535) throw new ClusterError("invalid_argument", `"${text}" is not an address of the form host[:port]`);
  return { host, port };
}

/** The contrary of `parseHostPort`. */
export function formatHostPort({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where to listen: an address or the name of an interface. */
export function resolveListenAddress(text: string, interfaces: Interfaces): HostPort {
  const address = parseHostPort(text === "" ? "0.0.0.0" : text);
  return { host: addressOf(address.host, interfaces), port: address.port };
}

/**
 * What other nodes shall dial. Given: an address or an interface, with the listening port unless it names another. Not given: the address that
 * is listened on, or the only one of this host; throws `invalid_argument` when there are several or none, in the words that the docker command line looks for.
 */
export function resolveAdvertiseAddress(text: string, listen: HostPort, interfaces: Interfaces): HostPort {
  if (text !== "") {
    const address = parseHostPort(text, listen.port);
    return { host: addressOf(address.host, interfaces), port: address.port };
  }
  if (listen.host !== "0.0.0.0" && listen.host !== "::") return listen;
  const candidates = Object.entries(interfaces).flatMap(([name, addresses]) =>
    isOwnBridge(name)
      ? []
      : (addresses ?? []).filter((address) => !address.internal && address.family === "IPv4").map((address) => ({ name, address: address.address })),
  );
  const only = candidates[0];
  if (only === undefined)
    throw new ClusterError(
      "invalid_argument",
      "could not choose an IP address to advertise since this system has no address beside the loopback; specify one with --advertise-addr",
    );
  if (candidates.length > 1) {
    const list = candidates.map((candidate) => `${candidate.address} on ${candidate.name}`).join(", ");
    throw new ClusterError(
      "invalid_argument",
      `could not choose an IP address to advertise since this system has multiple addresses (${list}); specify one with --advertise-addr`,
    );
  }
  return { host: only.address, port: listen.port };
}

/** What a node's state begins with: both as host:port, and the address without its port. Throws as `resolveAdvertiseAddress`. */
export function resolveOwnAddresses(
  asked: { readonly listenAddress: string; readonly advertiseAddress: string },
  interfaces: Interfaces,
): { readonly listenAddress: string; readonly advertiseAddress: string; readonly nodeAddress: string } {
  const listen = resolveListenAddress(asked.listenAddress, interfaces);
  const advertise = resolveAdvertiseAddress(asked.advertiseAddress, listen, interfaces);
  return { listenAddress: formatHostPort(listen), advertiseAddress: formatHostPort(advertise), nodeAddress: advertise.host };
}

/**
 * What changes of the addresses of a node that is there: null when nothing is asked for. An address to listen on that is the default, which the command lines send
 * unasked, leaves the present one as it is, unless it is one that this host has lost. Throws as `resolveAdvertiseAddress`, and for an address to listen on that is not this host's.
 */
export function movedAddresses(
  before: { readonly listenAddress: string },
  asked: { readonly listenAddress: string; readonly advertiseAddress: string },
  interfaces: Interfaces,
): { readonly listenAddress: string; readonly advertiseAddress: string } | null {
  const present = parseHostPort(before.listenAddress);
  const wanted = resolveListenAddress(asked.listenAddress, interfaces);
  const isDefault = wanted.host === "0.0.0.0" && wanted.port === DEFAULT_PORT;
  const listen = isDefault && isOwn(present.host, interfaces) ? present : wanted;
  if (!isOwn(listen.host, interfaces)) throw new ClusterError("invalid_argument", `cannot listen on ${formatHostPort(listen)}: it is no address of this host`);
  if (asked.advertiseAddress === "" && listen === present) return null;
  return { listenAddress: formatHostPort(listen), advertiseAddress: formatHostPort(resolveAdvertiseAddress(asked.advertiseAddress, listen, interfaces)) };
}

function isOwn(host: string, interfaces: Interfaces): boolean {
  return host === "0.0.0.0" || host === "::" || Object.values(interfaces).some((addresses) => addresses?.some(({ address }) => address === host));
}

/** Bridges of container engines are no way for other hosts to reach this one. */
function isOwnBridge(name: string): boolean {
  return /^(sw[0-9a-f]+|docker\d|br-|veth|cni)/.test(name);
}

function addressOf(host: string, interfaces: Interfaces): string {
  if (isIP(host) !== 0) return host;
  const addresses = interfaces[host];
  if (addresses === undefined)
    throw new ClusterError("invalid_argument", `"${host}" is neither an IP address nor an interface of this host (${Object.keys(interfaces).join(", ")})`);
  // One of a link alone says nothing to other hosts.
  const found = addresses.find(({ family }) => family === "IPv4") ?? addresses.find(({ scopeid }) => !scopeid);
  if (found === undefined) throw new ClusterError("invalid_argument", `the interface "${host}" of this host has no address beside those of its link`);
  return found.address;
}
