import { BlockList, isIP } from "node:net";

export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/** The proxy that the environment names for a URL (HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in either case), as Go programs read it; null is none. */
export function proxyFor(url: URL, environment: ProxyEnvironment): URL | null {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()] || "";
  const text = read(url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (text === "" || isExempt(url, read("NO_PROXY"))) return null;
  const withScheme = text.includes("://") ? text : `http://${text}`;
  return URL.canParse(withScheme) ? new URL(withScheme) : null;
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))) return true;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "")
    .some((entry) => matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [subnet = "", bits] = entry.split("/");
  if (bits !== undefined && isIP(host) !== 0 && isIP(subnet) === isIP(host) && /^\d{1,3}$/.test(bits)) {
    const family = isIP(host) === 4 ? "ipv4" : "ipv6";
    const blocks = new BlockList();
    blocks.addSubnet(subnet, Number(bits), family);
    return blocks.check(host, family);
  }
  const [, name = entry, wantedPort] = /^(.*):(\d+)$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const suffix = name.replace(/^\*?\./, "");
  return host === suffix ? !name.startsWith(".") && !name.startsWith("*.") : host.endsWith(`.${suffix}`);
}
