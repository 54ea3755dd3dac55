import type { HealthConfig } from "../../runtime/container-config.js";

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** How one run of a container's test ended. */
export interface ProbeResult {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** 0 is healthy; -1 when it was not run to its end. */
  readonly exitCode: number;
  readonly output: string;
}

export interface HealthState {
  readonly status: HealthStatus;
  readonly failingStreak: number;
  /** The last results, oldest first. */
  readonly log: readonly ProbeResult[];
}

/** When a container is tested, and what counts: its settings with Docker's defaults. */
export interface HealthTimes {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

const LOG_MAX = 5;

/** Docker's defaults (moby: daemon/health.go). */
export function healthTimesOf(config: HealthConfig): HealthTimes {
  return {
    intervalMs: config.intervalMs || 30_000,
    timeoutMs: config.timeoutMs || 30_000,
    startPeriodMs: config.startPeriodMs,
    startIntervalMs: config.startIntervalMs || 5_000,
    retries: config.retries || 3,
  };
}

/** Of a container that has just been started; earlier results stay to be seen. */
export function newHealth(log: readonly ProbeResult[] = []): HealthState {
  return { status: "starting", failingStreak: 0, log };
}

/**
 * What a result makes of it: one success makes it healthy, `retries` failures in a row unhealthy. Those of tests that began within the start period do not count, until
 * there was a success. `startedAtMs` is the container's start.
 */
export function afterProbe(state: HealthState, result: ProbeResult, times: HealthTimes, startedAtMs: number): HealthState {
  const log = [...state.log, result].slice(-LOG_MAX);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  const isExcused = state.status === "starting" && result.startedAtMs - startedAtMs < times.startPeriodMs;
  const failingStreak = isExcused ? state.failingStreak : state.failingStreak + 1;
  return { status: !isExcused && failingStreak >= times.retries ? "unhealthy" : state.status, failingStreak, log };
}

/** From the end of a test, or the container's start, to the next test. */
export function probeDelayMs(state: HealthState, times: HealthTimes, sinceStartMs: number): number {
  return state.status === "starting" && sinceStartMs < times.startPeriodMs ? times.startIntervalMs : times.intervalMs;
}
