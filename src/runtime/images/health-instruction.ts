import { ClusterError } from "../../base/errors.js";
import type { HealthConfig } from "../container-config.js";

const DURATIONS = { "--interval": "intervalMs", "--timeout": "timeoutMs", "--start-period": "startPeriodMs", "--start-interval": "startIntervalMs" } as const;
const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/** The operand of a Dockerfile's HEALTHCHECK: `NONE`, or `[OPTIONS] CMD command`. Throws ClusterError `invalid_argument`. */
export function healthOf(operand: string): HealthConfig {
  const health = { test: ["NONE"], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 };
  if (/^none$/i.test(operand)) return health;
  let rest = operand;
  for (let option = takeOption(rest); option !== null; option = takeOption(rest)) {
    rest = option.rest;
    if (option.name === "--retries") health.retries = retriesOf(option.value);
    else if (option.name in DURATIONS) health[DURATIONS[option.name as keyof typeof DURATIONS]] = durationMs(option.name, option.value);
    else throw new ClusterError("invalid_argument", `unknown flag: ${option.name}`);
  }
  const [, command = ""] = /^CMD\s+([\s\S]+)$/i.exec(rest) ?? [];
  if (command === "") throw new ClusterError("invalid_argument", `"${rest}" is neither NONE nor CMD with a command`);
  return { ...health, test: listOf(command) ?? ["CMD-SHELL", command] };
}

function takeOption(text: string): { readonly name: string; readonly value: string; readonly rest: string } | null {
  const [, name, value = "", rest = ""] = /^(--[a-z-]+)=(\S+)\s+([\s\S]*)$/i.exec(text) ?? [];
  return name === undefined ? null : { name, value, rest };
}

function retriesOf(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1) throw new ClusterError("invalid_argument", `--retries must be at least 1 (not ${text})`);
  return Number(text);
}

/** As Go writes durations: 1m30s, 500ms. */
function durationMs(name: string, text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) throw new ClusterError("invalid_argument", `${name}: "${text}" is not a duration`);
  const sumMs = parts.reduce((sum, [, count = "", unit = ""]) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0);
  if (sumMs < 1) throw new ClusterError("invalid_argument", `Interval "${text}" cannot be less than 1ms`);
  return sumMs;
}

function listOf(command: string): string[] | null {
  try {
    const list: unknown = JSON.parse(command);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? ["CMD", ...list] : null;
  } catch {
    // Not JSON: the shell form.
    return null;
  }
}
