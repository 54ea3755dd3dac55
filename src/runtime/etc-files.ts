import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "../base/errors.js";
import type { ContainerConfig } from "./container-config.js";

/** Files of /etc that are made for each container, by their name there. */
export const ETC_FILES = ["hosts", "hostname", "resolv.conf"] as const;

const HOST_RESOLV_CONF = "/etc/resolv.conf";

/** Where a container asks when the host has only resolvers on its own loopback; Docker's choice. */
const FALLBACK_NAMESERVERS = ["8.8.8.8", "8.8.4.4"];

/** Docker's word for the address of this host, as containers reach it, in the lines that the settings add to /etc/hosts. */
const HOST_GATEWAY = "host-gateway";

/** Writes them into the container's folder, from where they are mounted. */
export async function writeEtcFiles(
  folder: string,
  config: ContainerConfig,
  { hostname, hostGateway }: { hostname: string; hostGateway: string },
): Promise<void> {
  const write = (name: (typeof ETC_FILES)[number], text: string) => writeFile(join(folder, name), text, { mode: 0o644 });
  // Before the first write: one that fails while this is waited for would be nobody's, and end the daemon.
  const resolvConf = resolvConfText(config, await hostResolvConf());
  await Promise.all([write("hosts", hostsText(config, { hostname, hostGateway })), write("hostname", `${hostname}\n`), write("resolv.conf", resolvConf)]);
}

/** Of /etc/hosts (hosts(5)), with the lines that the settings add. */
export function hostsText(config: ContainerConfig, { hostname, hostGateway }: { hostname: string; hostGateway: string }): string {
  const { network } = config;
  const own =
    network !== null && network !== "host" && !("container" in network) ? [`${network.address.replace(/\/.*/, "")}\t${hostname}`] : [`127.0.0.1\t${hostname}`];
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    ...config.hosts.map((host) => `${host.address === HOST_GATEWAY ? hostGateway : host.address}\t${host.name}`),
    ...own,
    "",
  ].join("\n");
}

/** The container's own settings; where it has none, the host's, without resolvers that only the host reaches. */
export function resolvConfText(config: ContainerConfig, hostText: string): string {
  const { nameservers, search, options } = config.dns;
  const hostLines = hostText.split("\n").map((line) => line.trim());
  const valuesOf = (keyword: string) => hostLines.filter((line) => line.startsWith(`${keyword} `)).map((line) => line.slice(keyword.length + 1).trim());
  const isReachable = (address: string) => config.network === "host" || !/^(127\.|::1$)/.test(address);
  const fromHost = valuesOf("nameserver").filter(isReachable);
  const servers = nameservers.length > 0 ? nameservers : fromHost.length > 0 ? fromHost : FALLBACK_NAMESERVERS;
  const domains = search.length > 0 ? search.filter((domain) => domain !== ".") : valuesOf("search").slice(-1);
  const settings = options.length > 0 ? options : valuesOf("options").slice(-1);
  const lines = servers.map((server) => `nameserver ${server}`);
  if (domains.length > 0) lines.push(`search ${domains.join(" ")}`);
  if (settings.length > 0) lines.push(`options ${settings.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

async function hostResolvConf(): Promise<string> {
  try {
    return await readFile(HOST_RESOLV_CONF, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return "";
    throw cause;
  }
}
