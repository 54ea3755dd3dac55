import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTextIfThere } from "../base/durable-file.js";
import type { ContainerConfig } from "./container-config.js";

/** Files of /etc that are made for each container, by their name there. */
export const ETC_FILES = ["hosts", "hostname", "resolv.conf"] as const;

const HOST_RESOLV_CONF = "/etc/resolv.conf";
/** The resolver of systemd-resolved, which only the host reaches, and the file with those that it asks in turn (systemd-resolved(8)). */
const RESOLVED_ADDRESS = "127.0.0.53";
const RESOLVED_RESOLV_CONF = "/run/systemd/resolve/resolv.conf";

/** Where a container asks when the host has only resolvers on its own loopback; Docker's choice. */
const FALLBACK_NAMESERVERS = ["8.8.8.8", "8.8.4.4"];

/** Docker's word for the address of this host, as containers reach it, in the lines that the settings add to /etc/hosts. */
const HOST_GATEWAY = "host-gateway";

/** Writes them into the container's folder, from where they are mounted: also at each start, as its address and the host's resolvers may be others by then. */
export async function writeEtcFiles(
  folder: string,
  config: ContainerConfig,
  { hostname, hostGateway }: { hostname: string; hostGateway: string },
): Promise<void> {
  const write = (name: (typeof ETC_FILES)[number], text: string) => writeFile(join(folder, name), text, { mode: 0o644 });
  // Before the first write: one that fails while this is waited for would be nobody's, and end the daemon.
  const resolvConf = resolvConfText(config, await hostResolvConf(config));
  await Promise.all([write("hosts", hostsText(config, { hostname, hostGateway })), write("hostname", `${hostname}\n`), write("resolv.conf", resolvConf)]);
}

/** Of /etc/hosts (hosts(5)), with the lines that the settings add. */
export function hostsText(config: ContainerConfig, { hostname, hostGateway }: { hostname: string; hostGateway: string }): string {
  const { network } = config;
  const address = network !== null && network !== "host" && !("container" in network) ? network.address.replace(/\/.*/, "") : "127.0.0.1";
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    ...config.hosts.map((host) => `${host.address === HOST_GATEWAY ? hostGateway : host.address}\t${host.name}`),
    `${address}\t${ownNames(hostname, config.domainname)}`,
    "",
  ].join("\n");
}

/** With its domain first, whether that was given apart or in the host name, and without, as Docker has them. */
function ownNames(hostname: string, domainname: string): string {
  const full = domainname === "" ? hostname : `${hostname}.${domainname}`;
  const [bare = full] = full.split(".", 1);
  return bare === full ? full : `${full} ${bare}`;
}

/** The container's own settings; where it has none, the host's, without resolvers that only the host reaches: those of its loopback, and of IPv6, which bridges have not. */
export function resolvConfText(config: ContainerConfig, hostText: string): string {
  const { nameservers, search, options } = config.dns;
  const host = parseResolvConf(hostText);
  const isReachable = (address: string) => config.network === "host" || !/^127\.|:/.test(address);
  const fromHost = host.nameservers.filter(isReachable);
  const servers = nameservers.length > 0 ? nameservers : fromHost.length > 0 ? fromHost : FALLBACK_NAMESERVERS;
  const domains = search.length > 0 ? search.filter((domain) => domain !== ".") : host.search;
  const settings = options.length > 0 ? options : host.options;
  const lines = servers.map((server) => `nameserver ${server}`);
  if (domains.length > 0) lines.push(`search ${domains.join(" ")}`);
  if (settings.length > 0) lines.push(`options ${settings.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

/** The text of the host's file for a container. `read` is for tests. */
export async function hostResolvConf({ network }: Pick<ContainerConfig, "network">, read = readTextIfThere): Promise<string> {
  const text = (await read(HOST_RESOLV_CONF)) ?? "";
  const { nameservers } = parseResolvConf(text);
  if (network === "host" || nameservers.length !== 1 || nameservers[0] !== RESOLVED_ADDRESS) return text;
  return (await read(RESOLVED_RESOLV_CONF)) || text;
}

/** resolv.conf(5): words are apart by blanks or tabs, and of several lines with domains the last one counts. */
function parseResolvConf(text: string): { readonly nameservers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] } {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const [, ...options] = lines.findLast(([keyword]) => keyword === "options") ?? [];
  const [keyword, ...domains] = lines.findLast(([keyword]) => keyword === "search" || keyword === "domain") ?? [];
  return {
    nameservers: lines.flatMap(([keyword, address]) => (keyword === "nameserver" && address !== undefined ? [address] : [])),
    search: keyword === "domain" ? domains.slice(0, 1) : domains,
    options,
  };
}
