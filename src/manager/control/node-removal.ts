import { ClusterError } from "../../base/errors.js";
import { DEFAULT_CLUSTER_SPEC, msOf } from "../../model/defaults.js";
import type { Node } from "../../model/objects.js";
import { isTerminal } from "../../model/task-state.js";
import { TransactionRoom } from "../../store/transaction-room.js";
import type { StoreTransaction, StoreView } from "../../store/view.js";

/** How long beyond the end of its certificate a removed node is remembered: clocks differ. */
const REMOVAL_REMEMBERED_MS = 7 * 24 * 3_600_000;
const REMOVED = "the node of the task was removed from the cluster";

/** A bit more than 1 MB of the cluster object, of which one write holds 1.4 MB: what else is written of it must have room. */
const REMEMBERED_MAX = 30_000;

/** Throws ClusterError `failed_precondition` while so many removed nodes are remembered that the cluster object has no room for another one. */
export function assertRoomToRemember({ cluster }: StoreView, nowMs: number): void {
  const untilMs = Object.values(cluster?.removedNodes ?? {}).filter((until) => until > nowMs);
  if (untilMs.length < REMEMBERED_MAX) return;
  const next = new Date(untilMs.reduce((first, until) => Math.min(first, until))).toISOString();
  throw new ClusterError(
    "failed_precondition",
    `${untilMs.length} removed nodes are remembered until their certificates are worth nothing any more, and there is no room for another one before ${next}`,
  );
}

/** False when so many tasks run on the node that they have no room in one transaction beside its removal. */
export function fitsOneTransaction(view: StoreView, node: Node): boolean {
  const room = new TransactionRoom();
  if (!room.take([node, view.cluster])) return false;
  return view.tasks.byNode(node.id).every((task) => isTerminal(task.status?.state ?? "new") || room.take([task]));
}

/** No task is assigned to the node any more. */
export function drain(tx: StoreTransaction, node: Node): void {
  if (node.spec !== null && node.spec.availability !== "drain")
    tx.update("node", { ...node, spec: { ...node.spec, availability: "drain" } }, { isClientWrite: true });
}

/** Takes a node out of the cluster for ever; what still ran there is lost. */
export function removeNode(tx: StoreTransaction, node: Node, nowMs: number): undefined {
  for (const { id } of tx.tasks.byNode(node.id)) orphanTask(tx, id, nowMs);
  tx.remove("node", node.id, { isClientWrite: true });
  rememberRemoval(tx, node, nowMs);
}

/**
 * Every manager refuses the node from when it applies this, even one that restarted since and cannot tell a removed node from one that is too new for its
 * copy. Forgotten when no certificate of the node can be valid any more: one that a manager issued itself, since it was off past its own, is not in the store.
 */
function rememberRemoval(tx: StoreTransaction, node: Node, nowMs: number): void {
  const { cluster } = tx;
  if (cluster === undefined) return;
  const remembered = Object.entries(cluster.removedNodes).filter(([, untilMs]) => untilMs > nowMs);
  const validityMs = msOf(cluster.spec?.nodeCertExpiryNs ?? DEFAULT_CLUSTER_SPEC.nodeCertExpiryNs);
  const untilMs = Math.max(node.certificateExpiresAtMs, nowMs + validityMs) + REMOVAL_REMEMBERED_MS;
  tx.update("cluster", { ...cluster, removedNodes: { ...Object.fromEntries(remembered), [node.id]: untilMs } });
}

/** Says of a task that nobody will ever know what became of it. */
export function orphanTask(tx: StoreTransaction, id: string, nowMs: number): void {
  const task = tx.tasks.get(id);
  const status = task?.status;
  if (!task || !status || isTerminal(status.state)) return;
  tx.update("task", { ...task, status: { ...status, state: "orphaned", timestampMs: nowMs, appliedAtMs: nowMs, message: REMOVED } });
}
