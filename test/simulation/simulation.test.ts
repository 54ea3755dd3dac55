import { expect, test } from "vitest";
import { PLANTED_BUGS } from "./planted-bugs.js";
import { PLANTING_PROFILES } from "./planting-profiles.js";
import { hunt } from "./planting.js";
import { type SimulationOptions, type SimulationResult, simulate } from "./simulation.js";

/** One after the other: seeds 1 to `count`. */
async function simulateAll(count: number, options: Omit<SimulationOptions, "seed">): Promise<readonly SimulationResult[]> {
  const results: SimulationResult[] = [];
  for (let seed = 1; seed <= count; seed++) results.push(await simulate({ ...options, seed }));
  return results;
}

test("every property holds for a set of seeds", async () => {
  const runs = await simulateAll(60, { steps: 1_000 });
  expect(runs.filter((result) => result.failure !== null)).toEqual([]);
});

test("runs do what they are for: there are elections, writes and reads in number", async () => {
  const runs = (await simulateAll(10, { steps: 500 })).map((result) => result.counts);
  const total = (count: (counts: (typeof runs)[number]) => number) => runs.reduce((sum, counts) => sum + count(counts), 0);
  expect(total((counts) => counts.elections)).toBeGreaterThan(10);
  expect(total((counts) => counts.acknowledged)).toBeGreaterThan(500);
  expect(total((counts) => counts.reads)).toBeGreaterThan(100);
});

test("the same seed gives the same trace", async () => {
  const traceOf = async (seed: number) => {
    const lines: string[] = [];
    await simulate({ seed, steps: 500, onTrace: (line) => lines.push(line) });
    return lines;
  };
  const trace = await traceOf(7);
  expect(trace.length).toBeGreaterThan(100);
  expect(await traceOf(7)).toEqual(trace);
  expect(await traceOf(8)).not.toEqual(trace);
});

test.each(Object.entries(PLANTING_PROFILES))("the mixture of faults %s is no defect by itself", async (_name, profile) => {
  const runs = await simulateAll(10, { steps: 1_000, profile });
  expect(runs.filter((result) => result.failure !== null)).toEqual([]);
});

test("members with damaged disks refuse to start, or start with all that they acknowledged", async () => {
  const runs = await simulateAll(20, { steps: 1_000, profile: PLANTING_PROFILES.DAMAGED });
  const total = (count: (counts: (typeof runs)[number]["counts"]) => number) => runs.reduce((sum, { counts }) => sum + count(counts), 0);
  expect(runs.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(total(({ refused }) => refused)).toBeGreaterThan(5);
  expect(total(({ damaged, refused }) => damaged - refused)).toBeGreaterThan(5);
});

test("members whose disks fail say so and stop, and the group goes on", async () => {
  const runs = await simulateAll(10, { steps: 1_000, profile: PLANTING_PROFILES.AILING });
  const total = (count: (counts: (typeof runs)[number]["counts"]) => number) => runs.reduce((sum, { counts }) => sum + count(counts), 0);
  expect(runs.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(total(({ diskFailures }) => diskFailures)).toBeGreaterThan(20);
  expect(total(({ acknowledged }) => acknowledged)).toBeGreaterThan(100);
});

test("members that have moved, or are new, say where they are before the others' logs do", async () => {
  const runs = await simulateAll(5, { steps: 1_000, profile: PLANTING_PROFILES.ROAMING });
  expect(runs.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(runs.reduce((sum, { counts }) => sum + counts.introduced, 0)).toBeGreaterThan(50);
});

test("leaders are stable long enough to be put to the test", async () => {
  const runs = (await simulateAll(5, { steps: 1_000, profile: PLANTING_PROFILES.FLAPPING })).map((result) => result.counts.stable);
  expect(Math.max(...runs)).toBeGreaterThan(500);
});

test.each(PLANTED_BUGS.filter((bug) => bug.isRare !== true).map((bug) => [bug.name, bug] as const))("a core that %s is found out", async (_name, bug) => {
  expect((await hunt(bug, 50)).found).not.toBeNull();
});
