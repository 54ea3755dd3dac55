import type { NetworkChoice } from "../../../engine/engine.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { badRequest, notSupported } from "../errors.js";
import type { ApiMinor } from "../version.js";
import { Fields } from "./fields.js";

export interface NetworkRequest {
  readonly network: NetworkChoice;
  /** As it was asked for; empty without. */
  readonly macAddress: string;
}

export interface NetworkRequestContext {
  /** By what a person calls it; throws 404. */
  readonly findContainer: (reference: string) => ContainerInfo;
  readonly apiMinor: ApiMinor;
}

/** The version whose clients mean it where they name a hardware address beside a network; older ones repeat what `inspect` told them. */
const ENDPOINT_MAC_SINCE: ApiMinor = 44;
const BUILT_IN = ["default", "bridge", "host", "none"];

/** Where a container is on the network. Throws 400 for what contradicts itself, in Docker's words, and 501 for what is not built. */
export function networkFromDocker(host: Fields, fields: Fields, context: NetworkRequestContext): NetworkRequest {
  const isDisabled = fields.boolean("NetworkDisabled");
  const network = choiceOf(isDisabled ? "none" : host.string("NetworkMode"), context);
  const macAddress = fields.string("MacAddress");
  const ofEndpoint = endpointsFromDocker(fields, context);
  if (macAddress !== "" && ofEndpoint !== "" && macAddress !== ofEndpoint) {
    throw badRequest(`the container's MAC address "${macAddress}" is another than that of its network, "${ofEndpoint}"`);
  }
  const asked = macAddress || ofEndpoint;
  if (asked !== "") validateMac(asked, network);
  if (typeof network === "object") validateShared(host, fields);
  return { network, macAddress: asked };
}

function choiceOf(mode: string, { findContainer }: NetworkRequestContext): NetworkChoice {
  if (mode === "none" || mode === "host") return mode;
  if (mode === "" || mode === "default" || mode === "bridge") return "bridge";
  const joined = /^container:(.+)$/.exec(mode)?.[1];
  if (joined !== undefined) return { container: findContainer(joined).config.id };
  throw notSupported(`attaching containers to networks is not supported yet: "${mode}" is none of bridge, host, none and container:…`);
}

/** The hardware address that is asked for there; empty without. */
function endpointsFromDocker(fields: Fields, { apiMinor }: NetworkRequestContext): string {
  const networking = fields.child("NetworkingConfig");
  let asked = "";
  for (const { key, value, at } of networking?.entries("EndpointsConfig") ?? []) {
    if (!BUILT_IN.includes(key)) throw notSupported(`attaching containers to networks is not supported yet: "${key}"`);
    const endpoint = new Fields(value ?? {}, at);
    const macAddress = endpoint.string("MacAddress");
    if (apiMinor >= ENDPOINT_MAC_SINCE) asked ||= macAddress;
    // What clients fill in by themselves, for the network that it gets anyway.
    endpoint.ignore("DriverOpts", "GwPriority");
    endpoint.end();
  }
  networking?.end();
  return asked;
}

/** As dockerd, which finds a bad address out only when the container starts. */
function validateMac(macAddress: string, network: NetworkChoice): void {
  if (network === "host" || typeof network === "object") throw badRequest("conflicting options: mac-address and the network mode");
  if (!/^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/i.test(macAddress))
    throw badRequest(`invalid MAC address "${macAddress}": it is no six pairs of hexadecimal digits`);
  if ((Number.parseInt(macAddress, 16) & 1) !== 0) throw badRequest(`invalid MAC address "${macAddress}": it is a group's, and no interface can have it`);
  if (/^[0:-]+$/.test(macAddress)) throw badRequest(`invalid MAC address "${macAddress}": no interface can have it`);
}

/** What belongs to the network is the other container's affair: https://github.com/moby/moby/blob/v20.10.24/runconfig/hostconfig_unix.go has the list and the words. */
function validateShared(host: Fields, fields: Fields): void {
  const conflict = (what: string) => badRequest(`conflicting options: ${what} and the network mode`);
  if (fields.string("Hostname") !== "") throw conflict("hostname");
  if (host.strings("Dns").length > 0) throw conflict("dns");
  if (host.strings("ExtraHosts").length > 0) throw conflict("custom host-to-IP mapping");
}
