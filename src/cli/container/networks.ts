import { misuse } from "../failure.js";
import { parsePair } from "../quantities.js";
import type { CreateFlags } from "./create-flags.js";

type Fields = Readonly<Record<string, unknown>>;

/** The networks that the flags come to: the mode, which is the first one, and what is said of each. Throws a CommandFailure. */
export function networksOf(flags: CreateFlags): { readonly mode: string | undefined; readonly endpoints: Readonly<Record<string, Fields>> } {
  const networks = (flags.network ?? []).map(networkOf);
  const [first] = networks;
  const mode = first?.name;
  const own = endpointOf(flags);
  if (Object.keys(own).length > 0 && mode !== undefined && /^(host|none|container:.*)$/.test(mode))
    throw misuse(`--network-alias, --ip, --ip6 and --mac-address do not go with --network ${mode}`);
  const endpoints = networks.map(({ name, endpoint }, index) => [name, index === 0 ? { ...endpoint, ...own } : endpoint] as const);
  const named = first === undefined && Object.keys(own).length > 0 ? [["default", own] as const] : endpoints;
  return { mode, endpoints: Object.fromEntries(named.filter(([, endpoint], index) => index > 0 || Object.keys(endpoint).length > 0)) };
}

/** A name, or fields: `name=front,alias=web,ip=10.0.0.7,driver-opt=k=v`. */
function networkOf(text: string): { readonly name: string; readonly endpoint: Fields } {
  if (!text.includes("=")) return { name: text, endpoint: {} };
  const [aliases, ipam, options]: [string[], Record<string, string>, Record<string, string>] = [[], {}, {}];
  let name = "";
  for (const field of text.split(",")) {
    const [key, value] = parsePair(field.trim(), "network");
    if (key === "name") name = value;
    else if (key === "alias") aliases.push(value);
    else if (key === "ip") ipam.IPv4Address = value;
    else if (key === "ip6") ipam.IPv6Address = value;
    else if (key === "driver-opt") Object.assign(options, Object.fromEntries([parsePair(value, "network driver-opt")]));
    else throw misuse(`--network "${text}": "${key}" is none of name, alias, ip, ip6, driver-opt`);
  }
  if (name === "") throw misuse(`--network "${text}" names no network`);
  return {
    name,
    endpoint: {
      ...(aliases.length > 0 ? { Aliases: aliases } : {}),
      ...(Object.keys(ipam).length > 0 ? { IPAMConfig: ipam } : {}),
      ...(Object.keys(options).length > 0 ? { DriverOpts: options } : {}),
    },
  };
}

function endpointOf({ networkAlias, ip, ip6, macAddress }: CreateFlags): Fields {
  const ipam = { ...(ip === undefined ? {} : { IPv4Address: ip }), ...(ip6 === undefined ? {} : { IPv6Address: ip6 }) };
  return {
    ...(networkAlias === undefined ? {} : { Aliases: networkAlias }),
    ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
    ...(macAddress === undefined ? {} : { MacAddress: macAddress }),
  };
}
