import { DEFAULT_UPDATE_CONFIG, msOf } from "../../model/defaults.js";
import type { Service, UpdateConfig } from "../../model/objects.js";

export interface UpdateSettings {
  /** Slots under way at a time; may be Infinity. */
  readonly parallelism: number;
  readonly delayMs: number;
  /** How long a new task is watched after it began to run. Invariant: delayMs < monitorMs. */
  readonly monitorMs: number;
  readonly failureAction: UpdateConfig["failureAction"];
  readonly maxFailureRatio: number;
  readonly order: UpdateConfig["order"];
}

/** The settings that rule now: those for rollbacks while one is under way. */
export function updateSettings(service: Service): UpdateSettings {
  const isRollback = service.updateStatus?.state === "rollback_started";
  const config = (isRollback ? service.spec?.rollback : service.spec?.update) ?? DEFAULT_UPDATE_CONFIG;
  const delayMs = msOf(config.delayNs);
  const monitorMs = msOf(config.monitorNs === 0n ? DEFAULT_UPDATE_CONFIG.monitorNs : config.monitorNs);
  return {
    parallelism: config.parallelism === 0 ? Number.POSITIVE_INFINITY : config.parallelism,
    delayMs,
    monitorMs: delayMs >= monitorMs ? delayMs + 1_000 : monitorMs,
    failureAction: config.failureAction,
    maxFailureRatio: config.maxFailureRatio,
    order: config.order,
  };
}
