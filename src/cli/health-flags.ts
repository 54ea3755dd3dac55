import type { Command } from "commander";
import { misuse } from "./failure.js";
import { parseCount, parseDuration } from "./quantities.js";

/** The flags about a health check, as they were given; `healthcheck` is false for --no-healthcheck. */
export interface HealthFlags {
  readonly healthCmd?: string;
  readonly healthInterval?: string;
  readonly healthTimeout?: string;
  readonly healthStartPeriod?: string;
  readonly healthStartInterval?: string;
  readonly healthRetries?: string;
  readonly healthcheck?: boolean;
}

export interface HealthJson {
  Test?: string[];
  Interval?: bigint;
  Timeout?: bigint;
  StartPeriod?: bigint;
  StartInterval?: bigint;
  Retries?: number;
}

const DURATIONS = [
  ["healthInterval", "health-interval", "Interval"],
  ["healthTimeout", "health-timeout", "Timeout"],
  ["healthStartPeriod", "health-start-period", "StartPeriod"],
  ["healthStartInterval", "health-start-interval", "StartInterval"],
] as const;

export function addHealthFlags(command: Command): void {
  command
    .option("--health-cmd <command>", "line for the shell that tests the container's health: 0 is healthy")
    .option("--health-interval <duration>", "from one test to the next (default 30s)")
    .option("--health-timeout <duration>", "a test that takes longer has failed (default 30s)")
    .option("--health-start-period <duration>", "failures at the start that do not count")
    .option("--health-start-interval <duration>", "between tests in the start period (default 5s)")
    .option("--health-retries <n>", "failures in a row that make it unhealthy (default 3)")
    .option("--no-healthcheck", "no test of health, whatever the image says");
}

/** `present` with what the flags say; undefined when they say nothing. Throws a CommandFailure that names the flag. */
export function healthFromFlags(flags: HealthFlags, present: HealthJson | undefined): HealthJson | undefined {
  const isTimed = flags.healthRetries !== undefined || DURATIONS.some(([key]) => flags[key] !== undefined);
  if (flags.healthcheck === false) {
    if (isTimed || flags.healthCmd !== undefined) throw misuse("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!isTimed && flags.healthCmd === undefined) return undefined;
  const health: HealthJson = { ...present };
  if (health.Test?.[0] === "NONE") delete health.Test;
  if (flags.healthCmd !== undefined) health.Test = flags.healthCmd === "" ? [] : ["CMD-SHELL", flags.healthCmd];
  for (const [key, flag, field] of DURATIONS) {
    const text = flags[key];
    if (text !== undefined) health[field] = parseDuration(text, flag);
  }
  if (flags.healthRetries !== undefined) health.Retries = parseCount(flags.healthRetries, "health-retries");
  return health;
}
