import type { ServiceDraft } from "../orchestrator/service-draft.js";
import { isEnded, isLive } from "../orchestrator/slot.js";

/** A replacement waits no longer than this for the task before it to stop. */
const STOP_WAIT_MS_MAX = 60_000;

/**
 * Lets tasks run that were made with desired state `ready`: once their restart delay is over and the tasks before them in the slot
 * have stopped (swarm-surface 3.3 and 3.4).
 */
export function planPromotions(draft: ServiceDraft): void {
  for (const slot of draft.slots) {
    for (const task of slot.live) {
      if (task.desiredState !== "ready" || isEnded(task)) continue;
      const ageMs = draft.ages.sinceCreated(task);
      const isWaitingForStop = slot.tasks.some((other) => !isLive(other) && !draft.isStopped(other));
      const remainingMs = Math.max(task.startDelayMs ?? 0, isWaitingForStop ? STOP_WAIT_MS_MAX : 0) - ageMs;
      if (remainingMs > 0) draft.wakeIn(remainingMs);
      else draft.desire(task, "running");
    }
  }
}
