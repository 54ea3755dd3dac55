import { type Constraint, matchesConstraints, parseConstraints } from "../../model/constraints.js";
import { isClusterError } from "../../base/errors.js";
import type { Platform, PortConfig, Task } from "../../model/objects.js";
import { hostPortsOf, type NodeInfo } from "./node-info.js";

/** One reason for which a node may not take a task. */
export interface Filter {
  accepts(info: NodeInfo): boolean;
  /** Why `nodes` nodes were refused, as people read it in `service ps` (swarm-surface 3.8). */
  explain(nodes: number): string;
}

/**
 * The filters that matter to the task, in Swarm's order: the first that refuses a node is the one that explains it. Tasks of one
 * version of a service share them.
 */
export function filtersFor(task: Task): readonly Filter[] {
  return [isReady, ...resources(task), ...logPlugin(task), ...constraints(task), ...platforms(task), ...hostPorts(task), ...maxReplicas(task)];
}

const isReady: Filter = {
  accepts: ({ node }) => node?.status?.state === "ready" && node.spec?.availability === "active",
  explain: (nodes) => (nodes === 1 ? "1 node not available for new tasks" : `${nodes} nodes not available for new tasks`),
};

function resources(task: Task): readonly Filter[] {
  const reservations = task.spec?.resources?.reservations;
  const nanoCpus = reservations?.nanoCpus ?? 0n;
  const memoryBytes = reservations?.memoryBytes ?? 0n;
  if (nanoCpus <= 0n && memoryBytes <= 0n) return [];
  const accepts = (info: NodeInfo) => (nanoCpus <= 0n || nanoCpus <= info.freeNanoCpus) && (memoryBytes <= 0n || memoryBytes <= info.freeMemoryBytes);
  return [{ accepts, explain: (nodes) => `insufficient resources on ${counted(nodes)}` }];
}

/** A node that lists no log plugins at all is taken to have every one. */
function logPlugin(task: Task): readonly Filter[] {
  const name = task.spec?.logDriver?.name ?? "";
  if (name === "" || name === "none") return [];
  const accepts = (info: NodeInfo) => {
    const plugins = (info.node?.description?.engine?.plugins ?? []).filter((plugin) => plugin.type === "Log");
    return plugins.length === 0 || plugins.some((plugin) => plugin.name === name || plugin.name === `${name}:latest`);
  };
  return [{ accepts, explain: (nodes) => `missing plugin on ${counted(nodes)}` }];
}

function constraints(task: Task): readonly Filter[] {
  const expressions = task.spec?.placement?.constraints ?? [];
  if (expressions.length === 0) return [];
  const parsed = parsedOrNull(expressions);
  return [
    {
      accepts: ({ node }) => parsed !== null && node !== undefined && matchesConstraints(parsed, node),
      explain: (nodes) => `scheduling constraints not satisfied on ${counted(nodes)}`,
    },
  ];
}

/** What cannot be parsed was refused when the service was made; should it be here nevertheless, no node satisfies it. */
function parsedOrNull(expressions: readonly string[]): readonly Constraint[] | null {
  try {
    return parseConstraints(expressions);
  } catch (cause) {
    if (isClusterError(cause, "invalid_argument")) return null;
    throw cause;
  }
}

function platforms(task: Task): readonly Filter[] {
  const wanted = task.spec?.placement?.platforms ?? [];
  if (wanted.length === 0) return [];
  const accepts = ({ node }: NodeInfo) => {
    const platform = node?.description?.platform ?? null;
    return platform === null || wanted.some((candidate) => runsOn(candidate, platform));
  };
  return [{ accepts, explain: (nodes) => `unsupported platform on ${counted(nodes)}` }];
}

/** An empty field of the wanted platform matches everything. */
function runsOn(wanted: Platform, actual: Platform): boolean {
  const isOsRight = wanted.os === "" || wanted.os.toLowerCase() === actual.os.toLowerCase();
  return isOsRight && (wanted.architecture === "" || architecture(wanted.architecture) === architecture(actual.architecture));
}

function architecture(name: string): string {
  const lower = name.toLowerCase();
  if (lower === "x86_64") return "amd64";
  return lower === "aarch64" ? "arm64" : lower;
}

function hostPorts(task: Task): readonly Filter[] {
  const ports: readonly PortConfig[] = hostPortsOf(task);
  if (ports.length === 0) return [];
  const accepts = (info: NodeInfo) => !ports.some((port) => info.isHostPortTaken(port));
  return [{ accepts, explain: (nodes) => `host-mode port already in use on ${counted(nodes)}` }];
}

function maxReplicas(task: Task): readonly Filter[] {
  const limit = task.spec?.placement?.maxReplicas ?? 0;
  if (limit === 0) return [];
  return [{ accepts: (info) => info.activeTasksOf(task.serviceId) < limit, explain: () => "max replicas per node limit exceed" }];
}

function counted(nodes: number): string {
  return nodes === 1 ? "1 node" : `${nodes} nodes`;
}

/** Counts, per filter, the nodes that it refused. */
export class Refusals {
  readonly #filters: readonly Filter[];
  readonly #nodes = new Map<Filter, number>();

  constructor(filters: readonly Filter[]) {
    this.#filters = filters;
  }

  /** True when every filter accepts the node; otherwise the first that does not is counted. */
  accepts(info: NodeInfo): boolean {
    const refusing = this.#filters.find((filter) => !filter.accepts(info));
    if (refusing === undefined) return true;
    this.#nodes.set(refusing, (this.#nodes.get(refusing) ?? 0) + 1);
    return false;
  }

  /** "no suitable node (…)", the most frequent reason first. */
  explain(): string {
    const reasons = [...this.#nodes].sort(([, a], [, b]) => b - a).map(([filter, nodes]) => filter.explain(nodes));
    return reasons.length === 0 ? "no suitable node" : `no suitable node (${reasons.join("; ")})`;
  }
}
