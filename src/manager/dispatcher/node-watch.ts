import type { Clock } from "../../base/clock.js";
import type { Node, NodeState } from "../../model/objects.js";
import { isAtLeast, isTerminal } from "../../model/task-state.js";
import type { Store } from "../../store/store.js";
import { wasStalled } from "./session.js";

/** After this long a node that is DOWN is given up: its tasks are orphaned (swarm-surface 3.10). Counted anew by each leader. */
const ORPHAN_AFTER_MS = 24 * 3_600_000;
const GIVEN_UP = "the node of the task was down for 24 hours";

/** Writes node states, and counts the time that nodes spend unknown or down. */
export class NodeWatch {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #onError: (cause: unknown) => void;
  /** Per node, what stops its count. */
  readonly #counts = new Map<string, () => void>();
  /** Nodes that have not registered, nor begun to, since `start`. */
  readonly #unheard = new Set<string>();
  /** Registrations of each node that are not written yet. */
  readonly #registrations = new Map<string, number>();

  /** `onError` gets what a write that nobody waits for rejects with. */
  constructor(options: { readonly store: Store; readonly clock: Clock; readonly onError: (cause: unknown) => void }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#onError = options.onError;
  }

  /** A new leader does not know who is alive: every node that is not DOWN becomes unknown and gets `graceMs` to register. */
  async start(graceMs: number): Promise<void> {
    const nodes = [...this.#store.view.nodes.all()];
    const others = nodes.filter((node) => node.status?.state !== "down");
    for (const node of nodes) if (node.status?.state === "down") this.#countDown(node.id);
    for (const { id } of others) this.#countUnknown(id, graceMs);
    for (const { id } of others) this.#unheard.add(id);
    await this.#store.batch(others, (tx, { id, status }) => {
      const node = tx.nodes.get(id);
      // One that registered with the leader before has another status, one that comes back to this one as it was has the same.
      if (node !== undefined && node.status === status && this.#unheard.has(id) && status?.state !== "unknown") {
        tx.update("node", withState(node, "unknown", "the node has not registered with the new leader yet"));
      }
    });
  }

  /**
   * The node registers, and `write` writes that. Until then it is heard, however long it takes: who is given up meanwhile would stay so for all of its session. One
   * whose registration fails has `graceMs` again.
   */
  async register(nodeId: string, graceMs: number, write: () => Promise<void>): Promise<void> {
    this.#unheard.delete(nodeId);
    this.#registrations.set(nodeId, (this.#registrations.get(nodeId) ?? 0) + 1);
    try {
      await write();
    } finally {
      const left = (this.#registrations.get(nodeId) ?? 0) - 1;
      if (left > 0) this.#registrations.set(nodeId, left);
      else this.#registrations.delete(nodeId);
      if (this.#counts.has(nodeId) && this.#store.view.nodes.get(nodeId)?.status?.state !== "down") this.#countUnknown(nodeId, graceMs);
    }
  }

  /** True while a registration of the node is not written yet. */
  isRegistering(nodeId: string): boolean {
    return this.#registrations.has(nodeId);
  }

  /** The node registered, or is gone: nothing is counted for it any more. */
  forget(nodeId: string): void {
    this.#counts.get(nodeId)?.();
    this.#counts.delete(nodeId);
  }

  /** The node is silent. */
  markDown(nodeId: string, message = "heartbeat failure"): void {
    this.#countDown(nodeId);
    this.#setDown(nodeId, message).catch(this.#onError);
  }

  stop(): void {
    for (const cancel of this.#counts.values()) cancel();
    this.#counts.clear();
  }

  #countUnknown(nodeId: string, graceMs: number): void {
    const dueMs = this.#clock.monotonic() + graceMs;
    this.#count(nodeId, graceMs, () => {
      if (this.isRegistering(nodeId) || wasStalled(this.#clock, dueMs, graceMs)) this.#countUnknown(nodeId, graceMs);
      else this.markDown(nodeId, 'heartbeat failure for node in "unknown" state');
    });
  }

  #countDown(nodeId: string): void {
    this.#count(nodeId, ORPHAN_AFTER_MS, () => this.#orphanTasks(nodeId).catch(this.#onError));
  }

  #count(nodeId: string, delayMs: number, call: () => void): void {
    this.forget(nodeId);
    this.#counts.set(
      nodeId,
      this.#clock.after(delayMs, () => {
        this.#counts.delete(nodeId);
        call();
      }),
    );
  }

  #setDown(nodeId: string, message: string): Promise<void> {
    return this.#store.update((tx) => {
      const node = tx.nodes.get(nodeId);
      if (node !== undefined && node.status?.state !== "down") tx.update("node", withState(node, "down", message));
    });
  }

  #orphanTasks(nodeId: string): Promise<void> {
    const nowMs = this.#clock.now();
    return this.#store.batch(this.#store.view.tasks.byNode(nodeId), (tx, { id }) => {
      const task = tx.tasks.get(id);
      const status = task?.status;
      if (!task || !status || !isAtLeast(status.state, "assigned") || isTerminal(status.state)) return;
      tx.update("task", { ...task, status: { ...status, state: "orphaned", timestampMs: nowMs, appliedAtMs: nowMs, message: GIVEN_UP } });
    });
  }
}

function withState(node: Node, state: NodeState, message: string): Node {
  return { ...node, status: { state, message, address: node.status?.address ?? "" } };
}
