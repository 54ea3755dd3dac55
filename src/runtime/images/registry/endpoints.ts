import { BlockList, isIP } from "node:net";
import { ClusterError } from "../../../base/errors.js";
import type { RegistryCertificates } from "./certificates.js";
import type { HttpRequest } from "./http-client.js";

/** How this host reaches registries: from the daemon's configuration. */
export interface RegistrySettings {
  /** Base URLs that are asked first for images of Docker Hub. */
  readonly mirrors: readonly string[];
  /** `host`, `host:port` or CIDR of registries that may have plain HTTP or a certificate that nobody vouches for. */
  readonly insecure: readonly string[];
  /** Folder with a folder of certificates for each registry that has its own (certificates.ts). */
  readonly certificates: string;
}

/** One way to a registry. */
export interface Endpoint {
  /** `https://host[:port][/path]`, without a slash at the end. */
  readonly base: string;
  readonly isMirror: boolean;
  /** Whether its certificate must be right; also whether credentials may go over plain HTTP. */
  readonly isInsecure: boolean;
  /** Added once they are read; absent is what every host trusts. */
  readonly certificates?: RegistryCertificates;
}

const HUB = "docker.io";
const HUB_HOST = "registry-1.docker.io";

/** How far somebody at the other end is believed: the same for whom a registry sends to. */
export function trustOf({ isInsecure, certificates }: Endpoint): Pick<HttpRequest, "isInsecure" | "certificates"> {
  return { isInsecure, certificates };
}

/** The ways to a registry, in the order in which they are tried. */
export function endpointsOf(domain: string, settings: Pick<RegistrySettings, "mirrors" | "insecure">): readonly Endpoint[] {
  const mirrors = domain === HUB ? settings.mirrors.map((base) => endpoint(base.replace(/\/+$/, ""), true, settings)) : [];
  const host = domain === HUB ? HUB_HOST : domain;
  const secure = endpoint(`https://${host}`, false, settings);
  return [...mirrors, secure, ...(secure.isInsecure ? [{ ...secure, base: `http://${host}` }] : [])];
}

/** Throws ClusterError `invalid_argument` for a mirror that is no base URL, or an insecure registry that is neither a host nor a subnet. */
export function assertRegistrySettings({ mirrors, insecure }: Pick<RegistrySettings, "mirrors" | "insecure">): void {
  for (const mirror of mirrors) {
    const url = URL.canParse(mirror) ? new URL(mirror) : null;
    if (url === null || !["http:", "https:"].includes(url.protocol) || url.search !== "" || url.hash !== "" || url.username !== "") {
      throw new ClusterError("invalid_argument", `registry mirror "${mirror}" is not a URL of the form https://host[:port]`);
    }
  }
  for (const registry of insecure) {
    const [address = "", bits] = registry.split("/");
    const isSubnet = isIP(address) !== 0 && /^\d{1,3}$/.test(bits ?? "") && Number(bits) <= (isIP(address) === 4 ? 32 : 128);
    const isHost = bits === undefined && /^(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:\d+)?$/i.test(registry);
    if (!isSubnet && !isHost) throw new ClusterError("invalid_argument", `insecure registry "${registry}" is neither host[:port] nor a subnet`);
  }
}

function endpoint(base: string, isMirror: boolean, { insecure }: Pick<RegistrySettings, "insecure">): Endpoint {
  const url = new URL(base);
  return { base, isMirror, isInsecure: url.protocol === "http:" || isLoopback(url.hostname) || insecure.some((entry) => covers(entry, url)) };
}

/** As in Docker, a registry on this host needs no certificate. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}

function covers(entry: string, url: URL): boolean {
  if (entry === url.host || entry === url.hostname || entry === `${url.hostname}:${url.port || "443"}`) return true;
  const [subnet = "", bits] = entry.split("/");
  const address = url.hostname.replace(/^\[|\]$/g, "");
  if (bits === undefined || isIP(address) === 0 || isIP(subnet) !== isIP(address)) return false;
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(subnet, Number(bits), family);
  return list.check(address, family);
}
