import type { Node, NodeAvailability, NodeDescription, NodeRole, NodeSpec, NodeTlsInfo } from "../../../model/objects.js";
import type { MemberStatus } from "../backend.js";
import { badRequest } from "../errors.js";
import { type Json, jsonInteger } from "../json.js";
import { Fields } from "./fields.js";
import { genericResourceToDocker } from "./resources.js";
import { metaJson } from "./time.js";
import { sameWords } from "./words.js";
import { unlessEmpty } from "./zero-values.js";

const ROLES = sameWords<NodeRole>("worker", "manager");
const AVAILABILITIES = sameWords<NodeAvailability>("active", "pause", "drain");

/** Role and availability must both be given: an update replaces the whole spec. */
export function nodeSpecFromDocker(body: unknown): NodeSpec {
  const fields = new Fields(body, "");
  // dockerode sends the parameters of the request in its body, too.
  fields.ignore("version", "abortSignal");
  const role = fields.word<NodeRole | null>("Role", ROLES, null);
  if (role === null) throw badRequest('invalid Role: ""');
  const availability = fields.word<NodeAvailability | null>("Availability", AVAILABILITIES, null);
  if (availability === null) throw badRequest('invalid Availability: ""');
  const spec: NodeSpec = { name: fields.string("Name"), labels: fields.record("Labels"), role, availability };
  fields.end();
  return spec;
}

/** Availability of a node that is about to be made; empty is active. */
export function availabilityFromDocker(fields: Fields): NodeAvailability {
  return fields.word("Availability", AVAILABILITIES, "active");
}

export function nodeSpecToDocker({ name, labels, role, availability }: NodeSpec): Json {
  return { Name: unlessEmpty(name), Labels: labels, Role: role, Availability: availability };
}

export function nodeToDocker(node: Node, member: MemberStatus | undefined): Json {
  return {
    ID: node.id,
    ...metaJson(node.meta),
    Spec: nodeSpecToDocker(node.spec ?? { name: "", labels: {}, role: node.role, availability: "active" }),
    Description: descriptionToDocker(node.description),
    Status: {
      State: node.status?.state ?? "unknown",
      Message: unlessEmpty(node.status?.message ?? ""),
      Addr: unlessEmpty(node.status?.address ?? ""),
    },
    ManagerStatus:
      member === undefined
        ? undefined
        : { Leader: member.isLeader ? true : undefined, Reachability: member.isReachable ? "reachable" : "unreachable", Addr: member.address },
  };
}

function descriptionToDocker(description: NodeDescription | null): Json {
  return {
    Hostname: description?.hostname ?? "",
    Platform: { Architecture: description?.platform?.architecture ?? "", OS: description?.platform?.os ?? "" },
    Resources: {
      NanoCPUs: jsonInteger(description?.resources?.nanoCpus ?? 0n),
      MemoryBytes: jsonInteger(description?.resources?.memoryBytes ?? 0n),
      GenericResources: unlessEmpty((description?.resources?.generic ?? []).map(genericResourceToDocker)),
    },
    Engine: {
      EngineVersion: unlessEmpty(description?.engine?.engineVersion ?? ""),
      Labels: unlessEmpty(description?.engine?.labels ?? {}),
      Plugins: (description?.engine?.plugins ?? []).map((plugin) => ({ Type: plugin.type, Name: plugin.name })),
    },
    TLSInfo: tlsInfoToDocker(description?.tlsInfo ?? null),
  };
}

export function tlsInfoToDocker(info: NodeTlsInfo | null): Json {
  if (info === null) return {};
  return {
    TrustRoot: info.trustRoot,
    CertIssuerSubject: Buffer.from(info.certIssuerSubject).toString("base64"),
    CertIssuerPublicKey: Buffer.from(info.certIssuerPublicKey).toString("base64"),
  };
}
