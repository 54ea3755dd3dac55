import { nodeMatches } from "../../model/node-match.js";
import type { Node } from "../../model/objects.js";
import { planPromotions } from "../restart/plan-promotions.js";
import { planRestarts } from "../restart/plan-restarts.js";
import { shouldRestart } from "../restart/policy.js";
import { planUpdate } from "../updater/plan-update.js";
import { mustLeave } from "./placement.js";
import type { ServiceDraft } from "./service-draft.js";
import { isLive, type Slot, stateOf } from "./slot.js";

/** What a global service needs: one task on each node that may have one (swarm-surface 3.6). */
export function planGlobal(draft: ServiceDraft): void {
  leaveNodes(draft);
  const active = activeSlots(draft);
  if (planUpdate(draft, active.filter(isOccupied)) === "stopped") return;
  planRestarts(draft, active);
  for (const slot of active) if (!isOccupied(slot)) fill(draft, slot);
  planPromotions(draft);
}

/** Tasks of a node that is gone vanish with it; those on a node that may have none (any more) are shut down. */
function leaveNodes(draft: ServiceDraft): void {
  for (const slot of draft.slots) {
    const node = draft.nodes.get(slot.nodeId);
    if (node === undefined) {
      for (const task of slot.tasks) draft.remove(task);
    } else if (!isEligible(draft, node)) {
      for (const task of slot.live) draft.desire(task, "shutdown");
    }
  }
}

/** Slots of nodes where tasks may be made and replaced now. A paused node keeps what it has, and gets nothing. */
function activeSlots(draft: ServiceDraft): readonly Slot[] {
  return [...draft.nodes.all()]
    .filter((node) => isEligible(draft, node) && node.spec?.availability !== "pause")
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((node) => draft.slot(0, node.id));
}

function isEligible(draft: ServiceDraft, node: Node): boolean {
  return !mustLeave(node) && nodeMatches(draft.service.spec?.task?.placement?.constraints ?? [], node);
}

/**
 * A task that shall run, or one that ended by itself and for good under its restart policy. One that the manager stopped, because
 * the node was drained, down or did not match, is no reason to leave the node empty.
 */
function isOccupied(slot: Slot): boolean {
  if (slot.live.length > 0) return true;
  const newest = slot.newest;
  if (newest === undefined) return false;
  const state = stateOf(newest);
  return (state === "complete" || state === "failed" || state === "rejected") && !shouldRestart(newest, slot.tasks);
}

/** A node that was given up on may still run the old task when it comes back: the new one waits until that has stopped. */
function fill(draft: ServiceDraft, slot: Slot): void {
  const mustWait = slot.tasks.some((task) => !isLive(task) && !draft.isStopped(task));
  draft.create(slot, { desiredState: mustWait ? "ready" : "running" });
}
