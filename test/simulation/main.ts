import { messageOf } from "../../src/base/errors.js";
import { countOf, Misuse, toolOptions } from "../support/tool-options.js";
import type { PlantedBug } from "./planted-bug.js";
import { PLANTED_BUGS } from "./planted-bugs.js";
import { hunt, SEEDS_MAX } from "./planting.js";
import { type SimulationResult, simulate } from "./simulation.js";

const USAGE = "npm run sim -- --seeds A..B [--steps N] | --seed S [--trace] [--steps N] | --planted [--only WORDS]";
const STEPS_DEFAULT = 2_000;

const print = (line: string) => process.stdout.write(`${line}\n`);

/** What is to be done: seeds are run, or planted defects hunted. */
type Task =
  | { readonly type: "seeds"; readonly range: Range; readonly steps: number; readonly trace: boolean }
  | { readonly type: "planted"; readonly bugs: readonly PlantedBug[] };

interface Range {
  readonly first: number;
  readonly last: number;
}

async function main(): Promise<void> {
  const task = taskOf();
  if (task.type === "planted") await huntAll(task.bugs);
  else await runAll(task);
}

function taskOf(): Task {
  return toolOptions(
    { name: "sim", usage: USAGE },
    {
      options: {
        seeds: { type: "string" },
        seed: { type: "string" },
        steps: { type: "string" },
        trace: { type: "boolean" },
        planted: { type: "boolean" },
        only: { type: "string" },
      },
    },
    ({ values: { seeds, seed, steps, trace, planted, only } }): Task => {
      if (planted === true) {
        if ((seeds ?? seed ?? steps ?? trace) !== undefined) throw new Misuse("planted defects are hunted with seeds and steps of their own");
        return { type: "planted", bugs: plantedWith(only ?? "") };
      }
      if (only !== undefined) throw new Misuse("--only takes of the planted defects: it needs --planted");
      return { type: "seeds", range: rangeOf(seeds ?? seed), steps: steps === undefined ? STEPS_DEFAULT : countOf(steps, "steps"), trace: trace === true };
    },
  );
}

/** Runs seeds and prints one line per failing one; exits non-zero if there is one. */
async function runAll({ range, steps, trace }: Extract<Task, { type: "seeds" }>): Promise<void> {
  const results: SimulationResult[] = [];
  const startedAt = performance.now();
  for (let seed = range.first; seed <= range.last; seed++) {
    const result = await simulate({ seed, steps, ...(trace ? { onTrace: print } : {}) });
    if (result.failure !== null) print(`seed ${seed} failed at step ${result.failure.step}: ${result.failure.message}`);
    results.push(result);
  }
  print(summary(results, steps, performance.now() - startedAt));
  if (results.some((result) => result.failure !== null)) process.exitCode = 1;
}

function plantedWith(words: string): readonly PlantedBug[] {
  const bugs = PLANTED_BUGS.filter(({ name }) => name.includes(words));
  if (bugs.length === 0) throw new Misuse(`no planted defect has "${words}" in its name`);
  return bugs;
}

/** "A..B" or one number. */
function rangeOf(text = ""): Range {
  if (text === "") throw new Misuse("it is not said which seeds to run");
  const [first = "", last = first, ...rest] = text.split("..");
  if (rest.length > 0) throw new Misuse(`"${text}" is not a range of seeds, as 1..300 is`);
  const range = { first: countOf(first, "as a seed", 0), last: countOf(last, "as a seed", 0) };
  if (range.last < range.first) throw new Misuse(`"${text}" as seeds: the last one is before the first`);
  return range;
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

await main();
