import type { HealthConfig } from "../container-config.js";

/** Docker's addition to the specification; times in nanoseconds. */
export interface ImageHealth {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const NS_PER_MS = 1e6;

/** A HEALTHCHECK as an image has it: what is left to the default is left out. */
export function healthToImage(health: HealthConfig): ImageHealth {
  return {
    Test: health.test,
    ...(health.intervalMs === 0 ? {} : { Interval: health.intervalMs * NS_PER_MS }),
    ...(health.timeoutMs === 0 ? {} : { Timeout: health.timeoutMs * NS_PER_MS }),
    ...(health.startPeriodMs === 0 ? {} : { StartPeriod: health.startPeriodMs * NS_PER_MS }),
    ...(health.startIntervalMs === 0 ? {} : { StartInterval: health.startIntervalMs * NS_PER_MS }),
    ...(health.retries === 0 ? {} : { Retries: health.retries }),
  };
}

export function healthFromImage(health: ImageHealth): HealthConfig {
  return {
    test: health.Test ?? [],
    intervalMs: (health.Interval ?? 0) / NS_PER_MS,
    timeoutMs: (health.Timeout ?? 0) / NS_PER_MS,
    startPeriodMs: (health.StartPeriod ?? 0) / NS_PER_MS,
    startIntervalMs: (health.StartInterval ?? 0) / NS_PER_MS,
    retries: health.Retries ?? 0,
  };
}
