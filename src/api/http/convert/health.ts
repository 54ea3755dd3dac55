import type { HealthState } from "../../../engine/health/health-state.js";
import type { HealthConfig } from "../../../runtime/container-config.js";
import type { Json } from "../json.js";
import { timeText } from "./time.js";
import { unlessZero } from "./zero-values.js";

const NANOSECONDS_PER_MS = 1e6;

/** Config.Healthcheck of a container or an image. */
export function healthcheckToDocker(health: HealthConfig | null): Json {
  if (health === null) return undefined;
  const nanoseconds = (ms: number) => unlessZero(ms * NANOSECONDS_PER_MS);
  return {
    Test: health.test,
    Interval: nanoseconds(health.intervalMs),
    Timeout: nanoseconds(health.timeoutMs),
    StartPeriod: nanoseconds(health.startPeriodMs),
    StartInterval: nanoseconds(health.startIntervalMs),
    Retries: unlessZero(health.retries),
  };
}

/** State.Health of a container. */
export function healthToDocker(health: HealthState): Json {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map((probe) => ({ Start: timeText(probe.startedAtMs), End: timeText(probe.endedAtMs), ExitCode: probe.exitCode, Output: probe.output })),
  };
}

/** What `ps` adds to "Up 3 minutes". */
export function healthText(health: HealthState | null): string {
  if (health === null) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}
