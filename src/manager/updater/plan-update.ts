import type { Task } from "../../model/objects.js";
import type { ServiceDraft } from "../orchestrator/service-draft.js";
import { isEnded, isLive, isNewer, type Slot, stateOf } from "../orchestrator/slot.js";
import { type UpdateSettings, updateSettings } from "./update-settings.js";
import { completed, isPaused, isRollback, isUnderWay, paused, rolledBack, started } from "./update-status.js";

/** `stopped`: the update was paused or turned into a rollback; the rest of the pass must look at the new state first. */
export type UpdateOutcome = "planned" | "stopped";

/**
 * One step of a service's rolling update (swarm-surface 3.4), decided from the stored tasks alone: which slots are out of date,
 * which are under way, which tasks of this update failed. Nothing is remembered between two calls but when tasks began to run,
 * so any leader can go on with an update that another one began.
 *
 * `slots` are those that the update may touch.
 */
export function planUpdate(draft: ServiceDraft, slots: readonly Slot[]): UpdateOutcome {
  const settings = updateSettings(draft.service);
  if (isPaused(draft.service)) {
    // What had begun ends: with start-first two tasks would run in a slot until somebody updates the service.
    for (const slot of slots) dropSurplus(draft, slot, { ...settings, order: "start_first" });
    return "planned";
  }
  const progress = slots.map((slot) => slotProgress(draft, slot, settings));
  if (isUnderWay(draft.service) && stopOnFailure(draft, progress, settings)) return "stopped";
  const dirty = progress.filter((slot) => slot.isDirty && !slot.isGivenUp);
  if (dirty.length > 0 && draft.service.updateStatus === null) draft.changeService(started(draft.service, draft.nowMs), { isClientWrite: false });
  for (const { slot } of dirty) dropSurplus(draft, slot, settings);
  const isUpdating = isUnderWay(draft.service);
  // A node of a global service that comes back with an old task is no rolling update: see swarm-surface 3.6.
  const parallelism = !isUpdating && draft.service.spec?.mode?.type === "global" ? Number.POSITIVE_INFINITY : settings.parallelism;
  const underWay = progress.filter((slot) => slot.isUnderWay).length;
  const waiting = dirty.filter(({ slot, isUnderWay }) => !isUnderWay && upToDate(draft, slot).length === 0);
  const chosen = byUrgency(draft, waiting).slice(0, Math.max(parallelism - underWay, 0));
  for (const { slot } of chosen) replace(draft, slot, settings);
  if (isUpdating && dirty.length === 0 && underWay === 0) maybeComplete(draft, progress, settings);
  return "planned";
}

interface SlotProgress {
  readonly slot: Slot;
  readonly isDirty: boolean;
  /** With start-first: the new task failed, the restart policy allows no other, and the old one goes on until the next service update. */
  readonly isGivenUp: boolean;
  /** The task that this update made for the slot; later ones are the restart policy's. */
  readonly watched: Task | undefined;
  /** A worker of the update is busy with it: its task is not running yet, or the delay after that is not over. */
  readonly isUnderWay: boolean;
}

function slotProgress(draft: ServiceDraft, slot: Slot, settings: UpdateSettings): SlotProgress {
  const watched = slot.tasks.filter((task) => isFromThisUpdate(draft, task)).reduce<Task | undefined>(newer, undefined);
  return {
    slot,
    watched,
    isDirty: isSlotDirty(draft, slot),
    isGivenUp: isGivenUp(draft, slot),
    isUnderWay: watched !== undefined && isUnderWayWith(draft, slot, watched, settings),
  };
}

/** The newest task tells, since it is the one that the history always keeps. */
function isGivenUp(draft: ServiceDraft, slot: Slot): boolean {
  const newest = slot.newest;
  if (newest === undefined || newest.specVersion !== draft.service.specVersion) return false;
  return !isLive(newest) && endedByItself(newest) && upToDate(draft, slot).length === 0;
}

function isFromThisUpdate(draft: ServiceDraft, task: Task): boolean {
  return task.specVersion === draft.service.specVersion && task.replacesTaskId !== undefined && task.startDelayMs === undefined;
}

function newer(newest: Task | undefined, task: Task): Task {
  return newest === undefined || isNewer(task, newest) ? task : newest;
}

function isUnderWayWith(draft: ServiceDraft, slot: Slot, watched: Task, settings: UpdateSettings): boolean {
  const sinceDone = draft.ages.sinceRunning(watched) ?? (endedByItself(watched) ? draft.ages.sinceEnded(watched) : undefined);
  if (sinceDone === undefined) {
    // When it was moved to another node before it ran, its replacement has to run in its stead.
    return isLive(watched) || slot.live.some((task) => stateOf(task) !== "running");
  }
  const remainingMs = settings.delayMs - sinceDone;
  if (remainingMs > 0) draft.wakeIn(remainingMs);
  return remainingMs > 0;
}

/** More than one task that shall run, or one that is out of date; a slot that rests is judged by its last task. */
function isSlotDirty(draft: ServiceDraft, slot: Slot): boolean {
  const live = slot.live;
  if (live.length > 1) return true;
  const task = live[0] ?? slot.newest;
  return task !== undefined && draft.isDirty(task);
}

/** Acts on failed tasks of this update. True when the update stopped. */
function stopOnFailure(draft: ServiceDraft, progress: readonly SlotProgress[], settings: UpdateSettings): boolean {
  if (settings.failureAction === "continue") return false;
  const failed = progress.flatMap(({ watched }) => (watched !== undefined && hasFailed(draft, watched, settings) ? [watched] : []));
  const last = failed.reduce<Task | undefined>((a, b) => (a === undefined || endedAge(draft, b) < endedAge(draft, a) ? b : a), undefined);
  const total = progress.filter((slot) => slot.isDirty || slot.watched !== undefined).length;
  if (last === undefined || failed.length / total <= settings.maxFailureRatio) return false;
  const canRollBack = settings.failureAction === "rollback" && !isRollback(draft.service) && draft.service.previousSpec !== null;
  if (canRollBack) draft.changeService(rolledBack(draft.service, last.id), { isClientWrite: true });
  else draft.changeService(paused(draft.service, last.id), { isClientWrite: false });
  return true;
}

/** It ended before it ran, or too soon after. */
function hasFailed(draft: ServiceDraft, task: Task, settings: UpdateSettings): boolean {
  if (!endedByItself(task)) return false;
  const ranAgoMs = draft.ages.sinceRunning(task);
  return ranAgoMs === undefined || ranAgoMs - endedAge(draft, task) <= settings.monitorMs;
}

/** A task that the manager stopped, to move it or for a newer one, did not fail. */
function endedByItself(task: Task): boolean {
  return isEnded(task) && (isLive(task) || (stateOf(task) !== "shutdown" && stateOf(task) !== "orphaned"));
}

function endedAge(draft: ServiceDraft, task: Task): number {
  return draft.ages.sinceEnded(task) ?? 0;
}

/** In a slot with an up-to-date task the others go: at once, or with start-first when that one runs. */
function dropSurplus(draft: ServiceDraft, slot: Slot, settings: UpdateSettings): void {
  const live = slot.live;
  const keeper = [...upToDate(draft, slot)].sort((a, b) => readiness(b) - readiness(a) || (isNewer(b, a) ? 1 : -1))[0];
  if (keeper === undefined || live.length < 2) return;
  if (settings.order === "start_first" && stateOf(keeper) !== "running") return;
  draft.together(() => {
    for (const task of live) if (task.id !== keeper.id) draft.desire(task, "shutdown");
  });
}

function readiness(task: Task): number {
  if (isEnded(task)) return 0;
  if (stateOf(task) === "running") return 3;
  return task.desiredState === "running" ? 2 : 1;
}

function upToDate(draft: ServiceDraft, slot: Slot): readonly Task[] {
  return slot.live.filter((task) => !draft.isDirty(task));
}

/** Slots without a running task first: they have nothing to lose. */
function byUrgency(draft: ServiceDraft, slots: readonly SlotProgress[]): readonly SlotProgress[] {
  const serves = ({ slot }: SlotProgress) => Number(slot.live.some((task) => stateOf(task) === "running" && !draft.isStopped(task)));
  return [...slots].sort((a, b) => serves(a) - serves(b));
}

function replace(draft: ServiceDraft, slot: Slot, settings: UpdateSettings): void {
  const old = slot.newest;
  if (old === undefined) return;
  draft.together(() => {
    if (settings.order === "start_first") {
      draft.create(slot, { desiredState: "running", replaces: old });
      return;
    }
    for (const task of slot.live) draft.desire(task, "shutdown");
    draft.create(slot, { desiredState: "ready", replaces: old });
  });
}

/** The update is over when its last task has run for the monitoring period. */
function maybeComplete(draft: ServiceDraft, progress: readonly SlotProgress[], settings: UpdateSettings): void {
  const remainingMs = progress.flatMap(({ watched }) => {
    const ageMs = watched === undefined || isEnded(watched) || !isLive(watched) ? undefined : draft.ages.sinceRunning(watched);
    return ageMs === undefined || ageMs >= settings.monitorMs ? [] : [settings.monitorMs - ageMs];
  });
  if (remainingMs.length > 0) draft.wakeIn(Math.max(...remainingMs));
  else draft.changeService(completed(draft.service, draft.nowMs), { isClientWrite: false });
}
