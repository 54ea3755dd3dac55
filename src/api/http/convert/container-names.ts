import { isIP } from "node:net";
import type { ContainerConfig } from "../../../runtime/container-config.js";
import { badRequest } from "../errors.js";
import type { Fields } from "./fields.js";

/** What a container asks and is told of names: lines of /etc/hosts and resolv.conf. Throws 400, in the words of docker's daemon and client (docker/cli: opts), for what no resolver could read. */
export function namesFromDocker(host: Fields): Pick<ContainerConfig, "hosts" | "dns"> {
  const dns = { nameservers: host.strings("Dns"), search: host.strings("DnsSearch"), options: host.strings("DnsOptions") };
  for (const server of dns.nameservers) if (isIP(server) === 0) throw badRequest(`DNS server "${server}" is not an IP address`);
  for (const domain of dns.search) if (isSeveralWords(domain)) throw badRequest(`DNS search domain "${domain}" is not a valid domain`);
  for (const option of dns.options) if (/[\r\n]/.test(option)) throw badRequest(`DNS option "${option}" is more than one line`);
  return { hosts: host.strings("ExtraHosts").map(hostFromDocker), dns };
}

function hostFromDocker(line: string): ContainerConfig["hosts"][number] {
  const at = line.indexOf(":");
  const [name, address] = [line.slice(0, Math.max(at, 0)), line.slice(at + 1)];
  if (name === "" || address === "" || isSeveralWords(name)) throw badRequest(`bad format for add-host: "${line}"`);
  if (address !== "host-gateway" && isIP(address) === 0) throw badRequest(`invalid IP address in add-host: "${address}"`);
  return { name, address };
}

function isSeveralWords(text: string): boolean {
  return /^$|\s/.test(text);
}
