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
  let reduced = spec;
  for (const [minor, path] of SINCE) if (minor > apiMinor && has(reduced, path)) reduced = without(reduced, path);
  return reduced;
}

/** Nearly every request has none of the fields: looking copies nothing. */
function has(value: unknown, path: readonly string[], depth = 0): boolean {
  if (depth === path.length) return true;
  if (!isObject(value)) return false;
  for (const name in value) if (isSameName(name, path[depth]) && has(value[name], path, depth + 1)) return true;
  return false;
}

function without(value: unknown, [first, ...rest]: readonly string[]): unknown {
  if (!isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, field]) => {
    if (!isSameName(name, first)) return [[name, field] as const];
    return rest.length === 0 ? [] : [[name, without(field, rest)] as const];
  });
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSameName(name: string, other: string | undefined): boolean {
  return name.length === other?.length && name.toLowerCase() === other.toLowerCase();
}
