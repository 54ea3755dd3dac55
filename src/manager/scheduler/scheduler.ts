import type { Clock } from "../../base/clock.js";
import type { Task } from "../../model/objects.js";
import type { Store } from "../../store/store.js";
import type { StoreTransaction } from "../../store/view.js";
import { PassLoop } from "../pass-loop.js";
import { ClusterPicture, isWaiting } from "./cluster-picture.js";
import { type Decision, planAssignments } from "./plan.js";

/** Gives pending tasks a node, or says why none can take them. Tries again whenever a node or a task changes what there is to give. */
export class Scheduler {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. */
  async run(signal: AbortSignal): Promise<void> {
    const loop = new PassLoop();
    const picture = new ClusterPicture(this.#store.view);
    const stop = this.#store.watch((events) => {
      if (picture.apply(events, this.#clock.monotonic())) loop.ask();
    });
    try {
      await loop.run(() => this.#pass(picture), signal);
    } finally {
      stop();
    }
  }

  async #pass(picture: ClusterPicture): Promise<void> {
    if (picture.pending.size === 0) return;
    const decisions = planAssignments(picture.pending.values(), picture, this.#clock.monotonic()).filter(isNews);
    const dropped = new Set<Decision>();
    const nowMs = this.#clock.now();
    await this.#store.batch(decisions, (tx, decision) => {
      if (!write(tx, decision, nowMs)) dropped.add(decision);
    });
    for (const decision of dropped) {
      if (decision.type === "assign") picture.restore(decision.task.id, decision.nodeId, this.#store.view.tasks.get(decision.task.id));
    }
  }
}

/** An explanation that the task already carries is not written again: the write would wake the scheduler for nothing. */
function isNews(decision: Decision): boolean {
  return decision.type === "assign" || decision.task.status?.error !== decision.error;
}

/** Returns false when what the decision rests on has changed: the change brings another pass. */
function write(tx: StoreTransaction, decision: Decision, nowMs: number): boolean {
  const task = tx.tasks.get(decision.task.id);
  if (task === undefined || task.status === null || !isWaiting(task) || task.nodeId !== decision.task.nodeId) return false;
  if (decision.type === "explain") {
    tx.update("task", { ...task, status: { ...task.status, timestampMs: nowMs, error: decision.error } });
    return true;
  }
  const node = tx.nodes.get(decision.nodeId);
  if (node?.status?.state !== "ready" || node.spec?.availability !== "active") return false;
  tx.update("task", assigned(task, decision, nowMs));
  return true;
}

function assigned(task: Task, decision: Extract<Decision, { type: "assign" }>, nowMs: number): Task {
  const status = {
    state: "assigned",
    timestampMs: nowMs,
    message: decision.message,
    error: "",
    container: null,
    ports: [],
    appliedBy: "",
    appliedAtMs: 0,
  } as const;
  return { ...task, nodeId: decision.nodeId, status };
}
