import { parseChoice, parseCount, parseFields } from "../quantities.js";
import type { PortJson, ServiceSpecJson } from "../shapes.js";
import type { CommonFlags } from "./flags.js";
import { listEdits } from "./list-edits.js";

/** Puts the published ports and the endpoint's mode into the spec. Throws a CommandFailure that names the flag. */
export function applyEndpoint(spec: ServiceSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "publish");
  if (flags.endpointMode === undefined && add.length + remove.length === 0) return;
  const kept = (spec.EndpointSpec?.Ports ?? []).filter((port) => !remove.some((text) => parseTarget(text, port)));
  spec.EndpointSpec = {
    ...spec.EndpointSpec,
    ...(flags.endpointMode === undefined ? {} : { Mode: parseChoice(flags.endpointMode, "endpoint-mode", ["vip", "dnsrr"]) }),
    Ports: [...kept, ...add.map(parsePort)],
  };
}

function parsePort(text: string): PortJson {
  const short = /^(?:(\d+):)?(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text);
  const fields = short === null ? parseFields(text, "publish") : new Map<string, string>();
  const target = short?.[2] ?? fields.get("target") ?? "";
  const published = short === null ? fields.get("published") : short[1];
  return {
    Protocol: parseChoice(short?.[3] ?? fields.get("protocol") ?? "tcp", "publish protocol", ["tcp", "udp", "sctp"]),
    TargetPort: parseCount(target, "publish target"),
    ...(published === undefined ? {} : { PublishedPort: parseCount(published, "publish published") }),
    PublishMode: parseChoice(fields.get("mode") ?? "ingress", "publish mode", ["ingress", "host"]),
  };
}

/** `--publish-rm TARGET[/PROTOCOL]`: does it mean this port? */
function parseTarget(text: string, port: PortJson): boolean {
  const [target = "", protocol = "tcp"] = text.split("/");
  return parseCount(target, "publish-rm") === port.TargetPort && protocol === port.Protocol;
}
