import type { Clock } from "../../base/clock.js";
import { isClusterError } from "../../base/errors.js";
import { type Constraint, matchesConstraints, parseConstraints } from "../../model/constraints.js";
import type { Node, Task } from "../../model/objects.js";
import { isAtLeast, isBefore, isTerminal } from "../../model/task-state.js";
import type { Store } from "../../store/store.js";
import type { StoreEvent, StoreView } from "../../store/view.js";
import { PassLoop } from "../pass-loop.js";

const REASON = "assigned node no longer meets constraints";

/** Rejects tasks whose node changed under them: its labels or its address no longer satisfy the service's constraints, or it shrank below what they reserve. */
export class ConstraintEnforcer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #dirty = new Set<string>();

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. */
  async run(signal: AbortSignal): Promise<void> {
    const loop = new PassLoop();
    for (const node of this.#store.view.nodes.all()) this.#dirty.add(node.id);
    const stop = this.#store.watch((events) => {
      for (const event of events) if (isRelevant(event)) this.#dirty.add(event.object.id);
      if (this.#dirty.size > 0) loop.ask();
    });
    try {
      await loop.run(() => this.#pass(), signal);
    } finally {
      stop();
    }
  }

  async #pass(): Promise<void> {
    const rejected = [...this.#dirty].flatMap((id) => this.#rejected(this.#store.view, id));
    this.#dirty.clear();
    const nowMs = this.#clock.now();
    await this.#store.batch(rejected, (tx, { id }) => {
      const task = tx.tasks.get(id);
      if (!task?.status || !isHeld(task)) return;
      tx.update("task", { ...task, status: { ...task.status, state: "rejected", timestampMs: nowMs, message: REASON, error: REASON, appliedAtMs: nowMs } });
    });
  }

  #rejected(view: StoreView, nodeId: string): readonly Task[] {
    const node = view.nodes.get(nodeId);
    return node === undefined
      ? []
      : planRejections(node, view.tasks.byNode(nodeId), (task) => view.services.get(task.serviceId)?.spec?.task?.placement?.constraints);
  }
}

function isRelevant(event: StoreEvent): boolean {
  if (event.kind !== "node" || event.action === "remove") return false;
  if (event.previous === undefined) return true;
  const { object: node, previous } = event;
  return (
    node.spec !== previous.spec || node.description !== previous.description || node.role !== previous.role || node.status?.address !== previous.status?.address
  );
}

/**
 * The tasks that may not stay on the node. Constraints are those of the service as it is now, since a change of placement alone replaces
 * no task. Only an active node is looked at (swarm-surface 3.8): the tasks of a drained one are moved anyway, and a paused one keeps what it has. Pure.
 */
export function planRejections(node: Node, tasks: readonly Task[], constraintsOf: (task: Task) => readonly string[] | undefined): readonly Task[] {
  if (node.spec?.availability !== "active") return [];
  let nanoCpus = node.description?.resources?.nanoCpus ?? 0n;
  let memoryBytes = node.description?.resources?.memoryBytes ?? 0n;
  return tasks.filter(isHeld).filter((task) => {
    const constraints = constraintsOf(task) ?? task.spec?.placement?.constraints ?? [];
    if (!satisfies(node, constraints)) return true;
    const reservations = task.spec?.resources?.reservations;
    const cpu = reservations?.nanoCpus ?? 0n;
    const memory = reservations?.memoryBytes ?? 0n;
    if ((cpu > 0n && cpu > nanoCpus) || (memory > 0n && memory > memoryBytes)) return true;
    nanoCpus -= cpu;
    memoryBytes -= memory;
    return false;
  });
}

/** Has a node, is meant to run there, and has not ended. */
function isHeld(task: Task): boolean {
  const state = task.status?.state ?? "new";
  return isAtLeast(state, "assigned") && !isTerminal(state) && isBefore(task.desiredState, "shutdown");
}

function satisfies(node: Node, expressions: readonly string[]): boolean {
  if (expressions.length === 0) return true;
  let parsed: readonly Constraint[];
  try {
    parsed = parseConstraints(expressions);
  } catch (cause) {
    // Unreadable constraints were refused when the service was made; they are no reason to stop a task that runs.
    if (isClusterError(cause, "invalid_argument")) return true;
    throw cause;
  }
  return matchesConstraints(parsed, node);
}
