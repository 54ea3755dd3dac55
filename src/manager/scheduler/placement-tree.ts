import { labelAttribute } from "../../model/constraints.js";
import type { Task } from "../../model/objects.js";
import { FAILURES_MAX, type NodeInfo, serviceKeyOf } from "./node-info.js";

/** Nodes that may take tasks of one service, divided by its placement preferences, level by level. */
export class PlacementTree {
  readonly #root: Branch;
  readonly #serviceId: string;

  /** `accepts` is asked again after each choice, since a task taken may fill its node. */
  constructor(task: Task, nodes: readonly NodeInfo[], options: { readonly nowMs: number; readonly accepts: (info: NodeInfo) => boolean }) {
    this.#serviceId = task.serviceId;
    const keys = (task.spec?.placement?.preferences ?? []).map((preference) => preference.descriptor).filter(isLabelKey);
    this.#root = new Branch(keys, { ...options, serviceId: task.serviceId, serviceKey: serviceKeyOf(task) });
    for (const info of nodes) this.#root.add(info);
  }

  /**
   * The node for the next task, or undefined when none can take one; the caller then puts the task on it before it asks
   * again. At each level the group with the fewest tasks of the service comes first, within the last one the least loaded node.
   */
  next(): NodeInfo | undefined {
    return this.#root.next(this.#serviceId);
  }
}

/** Other descriptors are ignored, as in Swarm. */
function isLabelKey(descriptor: string): boolean {
  return /^(node|engine)\.labels\../i.test(descriptor);
}

interface Choice {
  readonly serviceId: string;
  readonly serviceKey: string;
  readonly nowMs: number;
  readonly accepts: (info: NodeInfo) => boolean;
}

/** Invariant: a branch with keys has only children, one without has only candidates. */
class Branch {
  readonly #key: string | undefined;
  readonly #below: readonly string[];
  readonly #choice: Choice;
  readonly #children = new Map<string, Branch>();
  #candidates: Candidate[] = [];
  readonly #members: NodeInfo[] = [];
  /** The candidate handed out last: its place in the heap is stale until it is asked about again. */
  #handedOut: Candidate | undefined;

  constructor(keys: readonly string[], choice: Choice) {
    [this.#key] = keys;
    this.#below = keys.slice(1);
    this.#choice = choice;
  }

  add(info: NodeInfo): void {
    this.#members.push(info);
    if (this.#key === undefined) {
      pushHeap(this.#candidates, candidateOf(info, this.#choice));
      return;
    }
    const value = info.node === undefined ? "" : (labelAttribute(info.node, this.#key) ?? "");
    const child = this.#children.get(value) ?? new Branch(this.#below, this.#choice);
    this.#children.set(value, child);
    child.add(info);
  }

  /** Tasks of the service on all nodes of the branch, those that cannot take more included. */
  tasksOf(serviceId: string): number {
    return this.#members.reduce((sum, info) => sum + info.activeTasksOf(serviceId), 0);
  }

  next(serviceId: string): NodeInfo | undefined {
    if (this.#key === undefined) return this.#nextLeaf();
    const ordered = [...this.#children].map(([value, branch]) => ({ value, branch, tasks: branch.tasksOf(serviceId) })).sort((a, b) => a.tasks - b.tasks);
    for (const { value, branch } of ordered) {
      const info = branch.next(serviceId);
      if (info !== undefined) return info;
      this.#children.delete(value);
    }
    return undefined;
  }

  #nextLeaf(): NodeInfo | undefined {
    if (this.#handedOut !== undefined) {
      const { info } = this.#handedOut;
      this.#handedOut = undefined;
      if (this.#choice.accepts(info)) pushHeap(this.#candidates, candidateOf(info, this.#choice));
    }
    this.#handedOut = popHeap(this.#candidates);
    return this.#handedOut?.info;
  }
}

/** A node with the figures that it is compared by. */
interface Candidate {
  readonly info: NodeInfo;
  /** 0 below FAILURES_MAX: a few failures are no reason to avoid a node. */
  readonly failures: number;
  readonly serviceTasks: number;
  readonly tasks: number;
  readonly id: string;
}

function candidateOf(info: NodeInfo, choice: Choice): Candidate {
  const failures = info.failuresOf(choice.serviceKey, choice.nowMs);
  return {
    info,
    failures: failures >= FAILURES_MAX ? failures : 0,
    serviceTasks: info.activeTasksOf(choice.serviceId),
    tasks: info.activeTasks,
    id: info.node?.id ?? "",
  };
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.failures !== b.failures) return a.failures < b.failures;
  if (a.serviceTasks !== b.serviceTasks) return a.serviceTasks < b.serviceTasks;
  return a.tasks !== b.tasks ? a.tasks < b.tasks : a.id < b.id;
}

function pushHeap(heap: Candidate[], candidate: Candidate): void {
  let at = heap.push(candidate) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBetter(candidate, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = candidate;
}

function popHeap(heap: Candidate[]): Candidate | undefined {
  const best = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return best;
  let at = 0;
  for (;;) {
    const below = betterChild(heap, at);
    const child = heap[below];
    if (child === undefined || !isBetter(child, last)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
  return best;
}

function betterChild(heap: readonly Candidate[], at: number): number {
  const left = heap[2 * at + 1];
  const right = heap[2 * at + 2];
  return left !== undefined && right !== undefined && isBetter(right, left) ? 2 * at + 2 : 2 * at + 1;
}
