import { isIP } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { formatHostPort, parseHostPort } from "./addresses.js";
import type { SwarmState } from "./swarm-state.js";

export type OwnAddress = Pick<SwarmState, "listenAddress" | "advertiseAddress" | "advertiseInterface">;

/**
 * Where others reach this host by now: when the address that it had was one of an interface and is gone, the one that this interface has instead. An address that no interface ever
 * had (that of a router in front, or a name) stays as the operator gave it.
 */
export function ownAddress(before: OwnAddress, interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>): OwnAddress {
  const { host, port } = parseHostPort(before.advertiseAddress);
  const holder = Object.entries(interfaces).find(([, addresses]) => addresses?.some(({ address }) => address === host))?.[0];
  if (holder !== undefined) return { ...before, advertiseInterface: holder };
  const instead = interfaces[before.advertiseInterface ?? ""]?.find(({ address, internal, scopeid }) => !internal && isIP(address) === isIP(host) && !scopeid);
  if (instead === undefined) return before;
  const listen = parseHostPort(before.listenAddress);
  return {
    listenAddress: listen.host === host ? formatHostPort({ ...listen, host: instead.address }) : before.listenAddress,
    advertiseAddress: formatHostPort({ host: instead.address, port }),
    advertiseInterface: before.advertiseInterface ?? "",
  };
}
