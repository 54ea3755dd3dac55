import type { Service, UpdateState } from "../../model/objects.js";

/** The update or rollback began. */
export function started(service: Service, nowMs: number): Service {
  return { ...service, updateStatus: { state: "updating", startedAtMs: nowMs, completedAtMs: 0, message: "update in progress" } };
}

/** The service with its update, or rollback, marked as done. */
export function completed(service: Service, nowMs: number): Service {
  return isRollback(service)
    ? withStatus(service, "rollback_completed", "rollback completed", nowMs)
    : withStatus(service, "completed", "update completed", nowMs);
}

/** Nothing more happens until somebody updates the service. */
export function paused(service: Service, failedTaskId: string): Service {
  const what = isRollback(service) ? "rollback" : "update";
  const message = `${what} paused due to failure or early termination of task ${failedTaskId}`;
  return withStatus(service, isRollback(service) ? "rollback_paused" : "paused", message, 0);
}

/** Back to the spec before; there is none before that one. The caller checked that there is a previous spec. */
export function rolledBack(service: Service, failedTaskId: string): Service {
  const message = `update rolled back due to failure or early termination of task ${failedTaskId}`;
  return {
    ...withStatus(service, "rollback_started", message, 0),
    spec: service.previousSpec,
    specVersion: service.specVersion + 1,
    previousSpec: null,
    previousSpecVersion: 0,
  };
}

/** True while a rollback is under way. */
export function isRollback(service: Service): boolean {
  return service.updateStatus?.state === "rollback_started";
}

/** True while an update or a rollback moves tasks. */
export function isUnderWay(service: Service): boolean {
  return service.updateStatus?.state === "updating" || isRollback(service);
}

/** True when one stopped half-way, and waits for the operator. */
export function isPaused(service: Service): boolean {
  return service.updateStatus?.state === "paused" || service.updateStatus?.state === "rollback_paused";
}

function withStatus(service: Service, state: UpdateState, message: string, completedAtMs: number): Service {
  return { ...service, updateStatus: { state, message, startedAtMs: service.updateStatus?.startedAtMs ?? 0, completedAtMs } };
}
