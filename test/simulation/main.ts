import { parseArgs } from "node:util";
import { messageOf } from "../../src/base/errors.js";
import type { PlantedBug } from "./planted-bug.js";
import { PLANTED_BUGS } from "./planted-bugs.js";
import { hunt, SEEDS_MAX } from "./planting.js";
import { type SimulationResult, simulate } from "./simulation.js";

const USAGE = "usage: npm run sim -- --seeds A..B [--steps N] | --seed S --trace [--steps N] | --planted [--only WORDS]";
const STEPS_DEFAULT = 2_000;

const print = (line: string) => process.stdout.write(`${line}\n`);

/** Runs seeds and prints one line per failing one; exits non-zero if there is one. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      steps: { type: "string" },
      trace: { type: "boolean", default: false },
      planted: { type: "boolean", default: false },
      only: { type: "string", default: "" },
    },
  });
  if (values.planted) {
    await huntAll(PLANTED_BUGS.filter((bug) => bug.name.includes(values.only)));
    return;
  }
  const range = parseRange(values.seeds ?? values.seed ?? "");
  const steps = parseNumber(values.steps ?? String(STEPS_DEFAULT));
  if (range === null || steps === null) {
    process.stderr.write(`${USAGE}\n`);
    process.exitCode = 2;
    return;
  }
  const results: SimulationResult[] = [];
  const startedAt = performance.now();
  for (let seed = range.first; seed <= range.last; seed++) {
    const result = await simulate({ seed, steps, ...(values.trace ? { onTrace: print } : {}) });
    if (result.failure !== null) print(`seed ${seed} failed at step ${result.failure.step}: ${result.failure.message}`);
    results.push(result);
  }
  print(summary(results, steps, performance.now() - startedAt));
  if (results.some((result) => result.failure !== null)) process.exitCode = 1;
}

/** Plants each defect in turn and prints which seed shows it, and how; exits non-zero when one stays hidden. */
async function huntAll(bugs: readonly PlantedBug[]): Promise<void> {
  let hidden = 0;
  for (const bug of bugs) {
    const startedAt = performance.now();
    const how = await hunt(bug).then(({ found }) => (found === null ? null : `seed ${found.seed}: ${found.failure?.message}`), messageOf);
    if (how?.startsWith("seed ") !== true) hidden++;
    print(`${bug.name}: ${how ?? `NOT FOUND in ${SEEDS_MAX} seeds`} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  }
  print(`${bugs.length} planted defects, ${hidden} not found`);
  if (hidden > 0) process.exitCode = 1;
}

function summary(results: readonly SimulationResult[], steps: number, elapsedMs: number): string {
  const total = (count: (counts: SimulationResult["counts"]) => number) => results.reduce((sum, result) => sum + count(result.counts), 0);
  const failed = results.filter((result) => result.failure !== null).length;
  return (
    `${results.length} seeds of ${steps} steps, ${failed} failed: ${total((counts) => counts.elections)} elections, ` +
    `${total((counts) => counts.committed)} entries, ${total((counts) => counts.acknowledged)} acknowledged writes, ` +
    `${total((counts) => counts.reads)} reads, ${total((counts) => counts.stable)} steps of stable leaders, ` +
    `${total((counts) => counts.damaged)} damaged disks, ${total((counts) => counts.refused)} of them refused, ${total((counts) => counts.diskFailures)} stops for failing disks, ${total((counts) => counts.messages)} messages, ${(elapsedMs / 1000).toFixed(1)} s`
  );
}

function parseRange(text: string): { readonly first: number; readonly last: number } | null {
  const [first, last] = text.split("..").map(parseNumber);
  if (first === undefined || first === null || last === null) return null;
  return { first, last: last ?? first };
}

function parseNumber(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}

await main();
