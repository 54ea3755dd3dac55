import type { Task } from "../../model/objects.js";
import { planPromotions } from "../restart/plan-promotions.js";
import { planRestarts } from "../restart/plan-restarts.js";
import { shouldRestart } from "../restart/policy.js";
import { planUpdate } from "../updater/plan-update.js";
import { isRollback } from "../updater/update-status.js";
import type { ServiceDraft } from "./service-draft.js";
import { type Slot, stateOf } from "./slot.js";

/** What a replicated service with `replicas` slots needs (swarm-surface 3.2). */
export function planReplicated(draft: ServiceDraft, replicas: number): void {
  const slots = draft.slots.filter((slot) => isOccupied(draft, slot));
  if (slots.length > replicas) scaleDown(draft, slots, replicas);
  const kept = slots.filter((slot) => slot.tasks.length > 0);
  const keptNumbers = new Set(kept.map((slot) => slot.number));
  if (planUpdate(draft, kept) === "stopped") return;
  planRestarts(draft, kept);
  if (kept.length < replicas) scaleUp(draft, keptNumbers, replicas - kept.length);
  for (const slot of draft.slots) if (!keptNumbers.has(slot.number) && slot.live.length === 0) empty(draft, slot);
  planPromotions(draft);
}

/**
 * A slot is taken by a task that shall run, and also by one that ended for good under its restart policy: such a slot is not
 * filled again before a service update. A rollback fills it, because it has to bring back what was there.
 */
function isOccupied(draft: ServiceDraft, slot: Slot): boolean {
  if (slot.live.length > 0) return true;
  const newest = slot.newest;
  if (newest === undefined || shouldRestart(newest, slot.tasks)) return false;
  return !isRollback(draft.service) || newest.specVersion === draft.service.specVersion;
}

/** The lowest numbers that are free. What is left there of earlier tasks stays as history. */
function scaleUp(draft: ServiceDraft, taken: ReadonlySet<number>, count: number): void {
  let created = 0;
  for (let number = 1; created < count; number++) {
    if (taken.has(number)) continue;
    draft.create(draft.slot(number, ""), { desiredState: "running" });
    created++;
  }
}

/** Removed tasks leave the store once they have stopped, and their slot's history with them. */
function scaleDown(draft: ServiceDraft, slots: readonly Slot[], replicas: number): void {
  for (const slot of byWorthKeeping(slots).slice(replicas)) empty(draft, slot);
}

function empty(draft: ServiceDraft, slot: Slot): void {
  draft.together(() => {
    for (const task of slot.tasks) draft.desire(task, "remove");
  });
}

/**
 * The slots to keep first. Each node keeps its first task before any keeps a second one, and so on, so that what goes comes from the
 * nodes with the most tasks; among equals running ones stay first, then those with low numbers.
 */
function byWorthKeeping(slots: readonly Slot[]): readonly Slot[] {
  const ordered = [...slots].sort((a, b) => Number(isRunning(b)) - Number(isRunning(a)) || a.number - b.number);
  const perNode = new Map<string, number>();
  const ranked = ordered.map((slot) => {
    const nodeId = soleNode(slot.live);
    if (nodeId === "") return { slot, rank: Number.POSITIVE_INFINITY };
    const rank = (perNode.get(nodeId) ?? 0) + 1;
    perNode.set(nodeId, rank);
    return { slot, rank };
  });
  return ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank)).map(({ slot }) => slot);
}

function isRunning(slot: Slot): boolean {
  return slot.live.some((task) => stateOf(task) === "running");
}

function soleNode(tasks: readonly Task[]): string {
  return tasks.length === 1 ? (tasks[0]?.nodeId ?? "") : "";
}
