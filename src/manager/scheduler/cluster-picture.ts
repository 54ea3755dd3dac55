import type { Node, Task } from "../../model/objects.js";
import { isAtLeast, isBefore } from "../../model/task-state.js";
import type { StoreEvent, StoreView } from "../../store/view.js";
import { NodeInfo, serviceKeyOf } from "./node-info.js";
import type { NodePool } from "./plan.js";

/** Nodes with their tasks, and the tasks that wait for a node: kept by events, so that a pass need not read the whole store. */
export class ClusterPicture implements NodePool {
  readonly #infos = new Map<string, NodeInfo>();
  readonly #pending = new Map<string, Task>();

  constructor(view: StoreView) {
    for (const node of view.nodes.all()) this.#info(node.id).node = node;
    for (const task of view.tasks.all()) this.#putTask(task);
  }

  get pending(): ReadonlyMap<string, Task> {
    return this.#pending;
  }

  all(): readonly NodeInfo[] {
    return [...this.#infos.values()].filter((info) => info.node !== undefined);
  }

  get(nodeId: string): NodeInfo | undefined {
    const info = this.#infos.get(nodeId);
    return info?.node === undefined ? undefined : info;
  }

  /** Takes in what changed. Returns true when a pending task may find a node now that it did not find before. */
  apply(events: readonly StoreEvent[], nowMs: number): boolean {
    let isWorthALook = false;
    for (const event of events) {
      if (event.kind === "node") isWorthALook = this.#applyNode(event.object, event.action === "remove") || isWorthALook;
      else if (event.kind === "task") isWorthALook = this.#applyTask(event, nowMs) || isWorthALook;
    }
    return isWorthALook;
  }

  /** Takes back what a plan counted for a task: what the store says of it counts again. */
  restore(taskId: string, nodeId: string, actual: Task | undefined): void {
    this.#infos.get(nodeId)?.remove(taskId);
    if (actual !== undefined) this.#putTask(actual);
  }

  #applyNode(node: Node, isRemoved: boolean): boolean {
    const info = this.#info(node.id);
    info.node = isRemoved ? undefined : node;
    this.#forgetUnused(node.id);
    return true;
  }

  #applyTask(event: Extract<StoreEvent, { kind: "task" }>, nowMs: number): boolean {
    const { object: task, previous } = event;
    if (event.action === "remove") {
      this.#pending.delete(task.id);
      const isFreed = this.#infos.get(task.nodeId)?.remove(task.id) ?? false;
      this.#forgetUnused(task.nodeId);
      return isFreed;
    }
    if (hasFailed(task) && previous !== undefined && !hasFailed(previous)) this.#infos.get(task.nodeId)?.noteFailure(serviceKeyOf(task), nowMs);
    const isNewlyPending = isWaiting(task) && !this.#pending.has(task.id);
    return this.#putTask(task) || isNewlyPending;
  }

  /** A node that left is kept for as long as its tasks are in the store: it may not have been seen yet. */
  #forgetUnused(nodeId: string): void {
    const info = this.#infos.get(nodeId);
    if (info !== undefined && info.node === undefined && info.taskCount === 0) this.#infos.delete(nodeId);
  }

  #putTask(task: Task): boolean {
    if (isWaiting(task)) this.#pending.set(task.id, task);
    else this.#pending.delete(task.id);
    return task.nodeId !== "" && this.#info(task.nodeId).put(task);
  }

  #info(nodeId: string): NodeInfo {
    const existing = this.#infos.get(nodeId);
    if (existing !== undefined) return existing;
    const info = new NodeInfo();
    this.#infos.set(nodeId, info);
    return info;
  }
}

/** Waits for the scheduler, and is still wanted. */
export function isWaiting(task: Task): boolean {
  return task.status?.state === "pending" && isBefore(task.desiredState, "shutdown");
}

function hasFailed(task: Task): boolean {
  const state = task.status?.state ?? "new";
  return isAtLeast(state, "failed") && isBefore(state, "remove");
}
