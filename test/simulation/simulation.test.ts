import { expect, test } from "vitest";
import { PLANTED_BUGS, PLANTING_PROFILES } from "./planted-bugs.js";
import { hunt } from "./planting.js";
import { simulate } from "./simulation.js";

const range = (count: number) => Array.from({ length: count }, (_, position) => position + 1);

test("every property holds for a set of seeds", () => {
  const failures = range(60)
    .map((seed) => simulate({ seed, steps: 1_000 }))
    .filter((result) => result.failure !== null);
  expect(failures).toEqual([]);
});

test("runs do what they are for: there are elections, writes and reads in number", () => {
  const runs = range(10).map((seed) => simulate({ seed, steps: 500 }).counts);
  const total = (count: (counts: (typeof runs)[number]) => number) => runs.reduce((sum, counts) => sum + count(counts), 0);
  expect(total((counts) => counts.elections)).toBeGreaterThan(10);
  expect(total((counts) => counts.acknowledged)).toBeGreaterThan(500);
  expect(total((counts) => counts.reads)).toBeGreaterThan(100);
});

test("the same seed gives the same trace", () => {
  const traceOf = (seed: number) => {
    const lines: string[] = [];
    simulate({ seed, steps: 500, onTrace: (line) => lines.push(line) });
    return lines;
  };
  const trace = traceOf(7);
  expect(trace.length).toBeGreaterThan(100);
  expect(traceOf(7)).toEqual(trace);
  expect(traceOf(8)).not.toEqual(trace);
});

test.each(Object.entries(PLANTING_PROFILES))("the mixture of faults %s is no defect by itself", (_name, profile) => {
  const failures = range(10)
    .map((seed) => simulate({ seed, steps: 1_000, profile }))
    .filter((result) => result.failure !== null);
  expect(failures).toEqual([]);
});

test("members with damaged disks refuse to start, or start with all that they acknowledged", () => {
  const runs = range(10).map((seed) => simulate({ seed, steps: 1_000, profile: PLANTING_PROFILES.DAMAGED }));
  const total = (count: (counts: (typeof runs)[number]["counts"]) => number) => runs.reduce((sum, { counts }) => sum + count(counts), 0);
  expect(runs.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(total(({ refused }) => refused)).toBeGreaterThan(5);
  expect(total(({ damaged, refused }) => damaged - refused)).toBeGreaterThan(5);
});

test("leaders are stable long enough to be put to the test", () => {
  const runs = range(5).map((seed) => simulate({ seed, steps: 1_000, profile: PLANTING_PROFILES.FLAPPING }).counts.stable);
  expect(Math.max(...runs)).toBeGreaterThan(500);
});

test.each(PLANTED_BUGS.filter((bug) => bug.isRare !== true).map((bug) => [bug.name, bug] as const))("a core that %s is found out", async (_name, bug) => {
  expect((await hunt(bug, 50)).found).not.toBeNull();
});
