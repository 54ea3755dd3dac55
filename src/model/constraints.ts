import { BlockList, isIP } from "node:net";
import { ClusterError } from "../base/errors.js";
import type { Node } from "./objects.js";

/** One parsed placement constraint: `key==value` or `key!=value` (swarm-surface 3.8). */
export interface Constraint {
  readonly key: string;
  readonly operator: "==" | "!=";
  readonly value: string;
}

/** "==" is looked for first, wherever it stands, as Swarm does. */
const OPERATORS = ["==", "!="] as const;
const KEY = /^[a-z_][a-z0-9\-_.]+$/i;
const VALUE = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i;

/** Throws ClusterError `invalid_argument` that names the expression when one has no operator, or a bad key or value. */
export function parseConstraints(expressions: readonly string[]): readonly Constraint[] {
  return expressions.map(parseConstraint);
}

function parseConstraint(expression: string): Constraint {
  for (const operator of OPERATORS) {
    const at = expression.indexOf(operator);
    if (at < 0) continue;
    const key = expression.slice(0, at).trim();
    const value = expression.slice(at + operator.length).trim();
    if (!KEY.test(key)) throw new ClusterError("invalid_argument", `constraint "${expression}": key '${key}' is invalid`);
    if (!VALUE.test(value)) throw new ClusterError("invalid_argument", `constraint "${expression}": value '${value}' is invalid`);
    return { key, operator, value };
  }
  throw new ClusterError("invalid_argument", `constraint "${expression}": expected one operator from ==, !=`);
}

/** True when the node satisfies every constraint. */
export function matchesConstraints(constraints: readonly Constraint[], node: Node): boolean {
  return constraints.every((constraint) => matchesConstraint(constraint, node));
}

function matchesConstraint(constraint: Constraint, node: Node): boolean {
  if (constraint.key.toLowerCase() === "node.ip") return matchesAddress(constraint, node.status?.address ?? "");
  const value = nodeAttribute(node, constraint.key);
  if (value === undefined) return false;
  return (value.toLowerCase() === constraint.value.toLowerCase()) === (constraint.operator === "==");
}

/**
 * What a node has under a constraint's key; "" for a label that it lacks, undefined for a key that means nothing, which no
 * node ever matches. Keys are case-insensitive, the names of labels are not.
 */
function nodeAttribute(node: Node, key: string): string | undefined {
  const label = labelAttribute(node, key);
  if (label !== undefined) return label;
  switch (key.toLowerCase()) {
    case "node.id":
      return node.id;
    case "node.hostname":
      return node.description?.hostname ?? "";
    case "node.role":
      return node.role;
    case "node.platform.os":
      return node.description?.platform?.os ?? "";
    case "node.platform.arch":
      return node.description?.platform?.architecture ?? "";
    default:
      return undefined;
  }
}

const NODE_LABEL = "node.labels.";
const ENGINE_LABEL = "engine.labels.";

/** The label that `node.labels.X` or `engine.labels.X` names, "" when the node lacks it; undefined for any other key. */
export function labelAttribute(node: Node, key: string): string | undefined {
  const lower = key.toLowerCase();
  if (lower.length > NODE_LABEL.length && lower.startsWith(NODE_LABEL)) return ownLabel(node.spec?.labels, key.slice(NODE_LABEL.length));
  if (lower.length > ENGINE_LABEL.length && lower.startsWith(ENGINE_LABEL)) return ownLabel(node.description?.engine?.labels, key.slice(ENGINE_LABEL.length));
  return undefined;
}

function ownLabel(labels: Readonly<Record<string, string>> | undefined, name: string): string {
  return labels !== undefined && Object.hasOwn(labels, name) ? (labels[name] ?? "") : "";
}

/** `node.ip` takes an address or a CIDR; one that is neither matches no node. */
function matchesAddress(constraint: Constraint, address: string): boolean {
  const family = isIP(address);
  const block = parseBlock(constraint.value);
  if (family === 0 || block === undefined) return false;
  return block.check(address, family === 6 ? "ipv6" : "ipv4") === (constraint.operator === "==");
}

function parseBlock(value: string): BlockList | undefined {
  const [network = "", prefix] = value.split("/", 2);
  const family = isIP(network);
  const bits = prefix === undefined ? (family === 6 ? 128 : 32) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (family === 0 || !(bits <= (family === 6 ? 128 : 32))) return undefined;
  const block = new BlockList();
  block.addSubnet(network, bits, family === 6 ? "ipv6" : "ipv4");
  return block;
}
