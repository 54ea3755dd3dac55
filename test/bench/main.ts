/**
 * Measures what the README's table says: `npm run bench -- [NAME…] [--runs N] [--json FILE]`. Each figure stands beside a peer measured in the same
 * run where one can be had on this machine, as a ratio.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchIdle } from "./idle.js";
import { benchScenario } from "./scenario.js";
import { benchState } from "./state.js";

/** One row of the table. Lower is better for every unit used here. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** Undefined where there is no peer for it. */
  readonly peer?: number;
  readonly peerName?: string;
  readonly target?: number;
}

export interface BenchOptions {
  readonly runs: number;
  say(line: string): void;
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<readonly Figure[]>>> = {
  scenario: benchScenario,
  idle: benchIdle,
  state: benchState,
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: "string", default: "5" }, json: { type: "string" } } });
const unknown = positionals.filter((name) => BENCHES[name] === undefined);
const runs = Number(values.runs);
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    unknown.length > 0
      ? `bench: "${unknown[0]}" is not one of ${Object.keys(BENCHES).join(", ")}`
      : `bench: "${values.runs}" runs: a whole number from 1 is needed`,
  );
  process.exit(2);
}

const figures: Figure[] = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) {
  figures.push(...((await BENCHES[name]?.({ runs, say: (line) => console.error(`bench: ${line}`) })) ?? []));
}

const round = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const rows = [
  ["what", "unit", "ours", "target", "peer", "ours / peer"],
  ...figures.map((figure) => [
    figure.name,
    figure.unit,
    round(figure.ours),
    figure.target === undefined ? "" : `< ${figure.target}`,
    figure.peer === undefined ? "-" : `${round(figure.peer)} (${figure.peerName})`,
    figure.peer === undefined ? "-" : (figure.ours / figure.peer).toFixed(2),
  ]),
];
const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
const missed = figures.filter((figure) => figure.target !== undefined && figure.ours >= figure.target);
for (const figure of missed) console.error(`bench: ${figure.name} is ${round(figure.ours)} ${figure.unit}, the target is under ${figure.target}`);
process.exitCode = missed.length > 0 ? 1 : 0;
