import { expect, test } from "vitest";
import { afterProbe, type HealthState, healthTimesOf, newHealth, probeDelayMs } from "../../../src/engine/health/health-state.js";
import { ProbeOutput } from "../../../src/engine/health/probe-output.js";

const DEFAULTS = { test: ["CMD", "true"], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 };
const probe = (exitCode: number, startedAtMs = 0) => ({ startedAtMs, endedAtMs: startedAtMs + 1, exitCode, output: "" });

/** The statuses after each of these exit codes; tests begin every 10 s. */
function statuses(codes: readonly number[], change: Partial<typeof DEFAULTS> = {}, from: HealthState = newHealth()): readonly string[] {
  const times = healthTimesOf({ ...DEFAULTS, ...change });
  let state = from;
  return codes.map((code, index) => {
    state = afterProbe(state, probe(code, 10_000 * (index + 1)), times, 0);
    return `${state.status} ${state.failingStreak}`;
  });
}

test("what is not said is docker's default", () => {
  expect(healthTimesOf(DEFAULTS)).toEqual({ intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5_000, retries: 3 });
});

test.each([
  ["one success is enough", [0], {}, ["healthy 0"]],
  ["failures up to the limit", [1, 1, 1, 1], {}, ["starting 1", "starting 2", "unhealthy 3", "unhealthy 4"]],
  ["a success begins the count anew", [0, 1, 1, 0, 1], {}, ["healthy 0", "healthy 1", "healthy 2", "healthy 0", "healthy 1"]],
  ["one retry", [-1], { retries: 1 }, ["unhealthy 1"]],
  ["an unhealthy one recovers", [1, 0], { retries: 1 }, ["unhealthy 1", "healthy 0"]],
  ["failures that began in the start period do not count", [1, 1, 1], { retries: 1, startPeriodMs: 30_000 }, ["starting 0", "starting 0", "unhealthy 1"]],
  ["but for one that was healthy", [0, 1], { retries: 1, startPeriodMs: 60_000 }, ["healthy 0", "unhealthy 1"]],
] as const)("%s", (_, codes, change, expected) => {
  expect(statuses(codes, change)).toEqual(expected);
});

test("the last five results are kept", () => {
  let state = newHealth();
  for (let code = 1; code <= 7; code++) state = afterProbe(state, probe(code), healthTimesOf(DEFAULTS), 0);
  expect(state.log.map(({ exitCode }) => exitCode)).toEqual([3, 4, 5, 6, 7]);
});

test.each([
  ["starting", 0, 500],
  ["starting", 9_999, 500],
  ["starting", 10_000, 2_000],
  ["healthy", 0, 2_000],
] as const)("%s, %i ms after the start: the next test is in %i ms", (status, sinceStartMs, expected) => {
  const times = healthTimesOf({ ...DEFAULTS, intervalMs: 2_000, startIntervalMs: 500, startPeriodMs: 10_000 });
  expect(probeDelayMs({ ...newHealth(), status }, times, sinceStartMs)).toBe(expected);
});

const frame = (stream: number, text: string) => {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

test("output of both streams, cut anywhere, is put together in its order", () => {
  const all = Buffer.concat([frame(1, "one "), frame(2, "two"), frame(1, ""), frame(1, " three\n")]);
  for (let size = 1; size <= all.length; size++) {
    const output = new ProbeOutput();
    for (let at = 0; at < all.length; at += size) output.push(all.subarray(at, at + size));
    expect(output.text).toBe("one two three\n");
  }
});

test("output is cut at 4096 bytes, and says so", () => {
  const [whole, more] = [new ProbeOutput(), new ProbeOutput()];
  whole.push(frame(1, "x".repeat(4096)));
  expect(whole.text).toBe("x".repeat(4096));
  for (let count = 0; count < 1000; count++) more.push(frame(1, "y".repeat(100)));
  expect(more.text).toBe(`${"y".repeat(4096)}...`);
});
