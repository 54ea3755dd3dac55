import type { Task } from "../../model/objects.js";
import { mustLeave } from "../orchestrator/placement.js";
import type { ServiceDraft } from "../orchestrator/service-draft.js";
import { isEnded, type Slot } from "../orchestrator/slot.js";
import { restartDelayMs, shouldRestart } from "./policy.js";

/**
 * Shuts down tasks of the slots that ended or have to leave their node, and puts a replacement in the same slot where the policy
 * allows one. The replacement exists at once, with desired state `ready`, so that it is scheduled and prepared while it waits.
 */
export function planRestarts(draft: ServiceDraft, slots: readonly Slot[]): void {
  for (const slot of slots) {
    for (const task of slot.live) {
      if (!isLost(draft, task)) continue;
      // A task that fails before its own delay is over must not make the next one come sooner.
      const remainingMs = task.desiredState === "ready" ? (task.startDelayMs ?? 0) - draft.ages.sinceCreated(task) : 0;
      if (remainingMs > 0) draft.wakeIn(remainingMs);
      else restart(draft, slot, task);
    }
  }
}

function restart(draft: ServiceDraft, slot: Slot, task: Task): void {
  draft.together(() => {
    const isAllowed = !hasSuccessor(draft, slot, task) && shouldRestart(task, slot.tasks);
    draft.desire(task, "shutdown");
    if (isAllowed) draft.create(slot, { desiredState: "ready", replaces: task, startDelayMs: restartDelayMs(task, draft.nodeOf(task)) });
  });
}

/** During a start-first update a slot has two tasks: when one is lost and the other is up to date, that one is the replacement. */
function hasSuccessor(draft: ServiceDraft, slot: Slot, task: Task): boolean {
  return slot.live.some((other) => other.id !== task.id && !isLost(draft, other) && !draft.isDirty(other));
}

function isLost(draft: ServiceDraft, task: Task): boolean {
  return isEnded(task) || (task.nodeId !== "" && mustLeave(draft.nodeOf(task)));
}
