import { messageOf } from "../../src/base/errors.js";

/** What a closed loop of requests came to. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that failed, with why; they count for nothing else. */
  readonly failures: ReadonlyMap<string, number>;
}

/** One request on one of the lanes: resolves when it succeeded, and rejects with what it came to otherwise. */
export type Lane = () => Promise<void>;

/** Keeps one request in flight on each lane: first to warm up, then to measure. */
export async function runLoad(lanes: readonly Lane[], { warmUpMs, measureMs }: { readonly warmUpMs: number; readonly measureMs: number }): Promise<LoadResult> {
  const begin = performance.now() + warmUpMs;
  const end = begin + measureMs;
  const latencies: number[] = [];
  const failures = new Map<string, number>();
  await Promise.all(
    lanes.map(async (lane) => {
      for (let now = performance.now(); now < end; ) {
        const started = now;
        let reason = "";
        await lane().catch((cause: unknown) => {
          reason = messageOf(cause);
        });
        now = performance.now();
        if (reason !== "") failures.set(reason, (failures.get(reason) ?? 0) + 1);
        else if (started >= begin && now < end) latencies.push(now - started);
      }
    }),
  );
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN;
  return { perSecond: latencies.length / (measureMs / 1000), p50Ms: at(0.5), p99Ms: at(0.99), failures };
}
