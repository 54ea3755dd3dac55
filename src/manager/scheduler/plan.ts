import type { Task } from "../../model/objects.js";
import { filtersFor, Refusals } from "./filters.js";
import { type NodeInfo, serviceKeyOf } from "./node-info.js";
import { PlacementTree } from "./placement-tree.js";

/** What the scheduler found for one pending task. */
export type Decision =
  | { readonly type: "assign"; readonly task: Task; readonly nodeId: string; readonly message: string }
  | { readonly type: "explain"; readonly task: Task; readonly error: string };

const ASSIGNED = "scheduler assigned task to node";
const CONFIRMED = "scheduler confirmed task can run on preassigned node";

/** The nodes that a plan may choose from. */
export interface NodePool {
  all(): readonly NodeInfo[];
  get(nodeId: string): NodeInfo | undefined;
}

/**
 * Finds a node for each pending task. Tasks of one version of a service are placed together; those that have a node already
 * (global services) are only checked against it. Each choice is counted on its node at once, so that the next one sees it; a caller that
 * does not carry a decision out takes the task off again.
 */
export function planAssignments(tasks: Iterable<Task>, pool: NodePool, nowMs: number): readonly Decision[] {
  const decisions: Decision[] = [];
  const groups = new Map<string, Task[]>();
  for (const task of tasks) {
    if (task.nodeId !== "") {
      decisions.push(confirm(task, pool));
      continue;
    }
    const group = groups.get(serviceKeyOf(task));
    if (group === undefined) groups.set(serviceKeyOf(task), [task]);
    else group.push(task);
  }
  for (const group of groups.values()) placeGroup(group, pool, nowMs, decisions);
  return decisions;
}

function confirm(task: Task, pool: NodePool): Decision {
  const info = pool.get(task.nodeId);
  const refusals = new Refusals(filtersFor(task));
  if (info === undefined || !refusals.accepts(info)) return { type: "explain", task, error: refusals.explain() };
  info.reserve(task);
  return { type: "assign", task, nodeId: task.nodeId, message: CONFIRMED };
}

function placeGroup(group: readonly Task[], pool: NodePool, nowMs: number, decisions: Decision[]): void {
  const [first] = group;
  if (first === undefined) return;
  const filters = filtersFor(first);
  const accepts = (info: NodeInfo) => filters.every((filter) => filter.accepts(info));
  const tree = new PlacementTree(first, pool.all().filter(accepts), { nowMs, accepts });
  const left: Task[] = [];
  for (const task of group) {
    const info = left.length > 0 ? undefined : tree.next();
    if (info?.node === undefined) {
      left.push(task);
      continue;
    }
    info.reserve(task);
    decisions.push({ type: "assign", task, nodeId: info.node.id, message: ASSIGNED });
  }
  if (left.length > 0) explainAll(left, new Refusals(filters), pool, decisions);
}

/** Why no node takes another task of the group, as things stand after the ones that found a place. */
function explainAll(tasks: readonly Task[], refusals: Refusals, pool: NodePool, decisions: Decision[]): void {
  for (const info of pool.all()) refusals.accepts(info);
  const error = refusals.explain();
  for (const task of tasks) decisions.push({ type: "explain", task, error });
}
