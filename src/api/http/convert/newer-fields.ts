import type { ApiMinor } from "../version.js";

/**
 * Fields of a service's spec and the API version that brought them. A request of an older version cannot mean them: what it carries
 * there came by accident, and Docker drops it (swarm-surface 2.3).
 */
const SINCE: readonly (readonly [minor: ApiMinor, path: readonly string[]])[] = [
  [40, ["TaskTemplate", "ContainerSpec", "Sysctls"]],
  [40, ["TaskTemplate", "Placement", "MaxReplicas"]],
  [41, ["TaskTemplate", "ContainerSpec", "CapabilityAdd"]],
  [41, ["TaskTemplate", "ContainerSpec", "CapabilityDrop"]],
  [41, ["TaskTemplate", "ContainerSpec", "Ulimits"]],
  [41, ["TaskTemplate", "Resources", "Limits", "Pids"]],
  [41, ["Mode", "ReplicatedJob"]],
  [41, ["Mode", "GlobalJob"]],
  [44, ["TaskTemplate", "ContainerSpec", "Privileges", "Seccomp"]],
  [44, ["TaskTemplate", "ContainerSpec", "Privileges", "AppArmor"]],
  [44, ["TaskTemplate", "ContainerSpec", "Privileges", "NoNewPrivileges"]],
  [44, ["TaskTemplate", "ContainerSpec", "Healthcheck", "StartInterval"]],
  [46, ["TaskTemplate", "ContainerSpec", "OomScoreAdj"]],
  [52, ["TaskTemplate", "Resources", "SwapBytes"]],
  [52, ["TaskTemplate", "Resources", "MemorySwappiness"]],
];

/** The same spec without what the request's version does not have. Does not change what it is given. */
export function withoutNewerFields(spec: unknown, apiMinor: ApiMinor): unknown {
  return SINCE.filter(([minor]) => minor > apiMinor).reduce((reduced, [, path]) => without(reduced, path), spec);
}

function without(value: unknown, path: readonly string[]): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  if (!Object.keys(value).some((name) => name.toLowerCase() === first.toLowerCase())) return value;
  const entries = Object.entries(value).flatMap(([name, field]) => {
    if (name.toLowerCase() !== first.toLowerCase()) return [[name, field] as const];
    return rest.length === 0 ? [] : [[name, without(field, rest)] as const];
  });
  return Object.fromEntries(entries);
}
