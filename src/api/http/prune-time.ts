import { badRequest } from "./errors.js";
import type { Filters } from "./filters.js";

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** The filter `until`, a time or an age such as 24h or 1h30m: what was made after it stays. No bound without it. Throws 400. */
export function pruneTimeMs(filters: Filters, nowMs: number): number {
  if (!filters.has("until")) return Number.POSITIVE_INFINITY;
  const [text = "", ...more] = filters.get("until");
  if (more.length > 0) throw badRequest("more than one until filter specified");
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length > 0 && parts.map((part) => part[0]).join("") === text) {
    return nowMs - parts.reduce((sum, [, amount = "", unit = ""]) => sum + Number(amount) * (SECONDS[unit] ?? 0) * 1000, 0);
  }
  // Clients send seconds, with nanoseconds after the point.
  const timeMs = /^\d+(?:\.\d{1,9})?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(timeMs)) throw badRequest(`invalid value for until: "${text}" is neither a time nor a duration`);
  return timeMs;
}
