import type { Meta } from "../../../model/objects.js";
import type { Json } from "../json.js";

/** Go's zero time, which clients take for "never". */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** RFC 3339; 0 is never. */
export function timeText(timeMs: number): string {
  return timeMs === 0 ? ZERO_TIME : new Date(timeMs).toISOString();
}

/** RFC 3339 with all nine digits, so that lines of a log stay aligned. */
export function nanosecondText(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${(timeNs % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}

/** Version and times that all objects of the swarm begin with. */
export function metaJson(meta: Meta | null): { readonly [name: string]: Json } {
  return {
    Version: { Index: meta?.version ?? 0 },
    CreatedAt: timeText(meta?.createdAtMs ?? 0),
    UpdatedAt: timeText(meta?.updatedAtMs ?? 0),
  };
}
