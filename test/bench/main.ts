/**
 * Measures what the README's table says: `npm run bench -- [NAME…] [--runs N] [--minutes M] [--json FILE]`. Each figure stands beside a peer measured in the same
 * run where one can be had on this machine, as a ratio.
 */
import { writeFileSync } from "node:fs";
import { countOf, Misuse, toolOptions } from "../support/tool-options.js";
import { benchConsensus } from "./consensus.js";
import { benchContainers } from "./containers.js";
import { benchCrowd } from "./crowd.js";
import { benchFailover } from "./failover.js";
import { benchIdle } from "./idle.js";
import { benchScenario } from "./scenario.js";
import { benchStability } from "./stability.js";
import { benchStart } from "./start.js";
import { benchState } from "./state.js";
import { benchUnpack } from "./unpack.js";

/** One row of the table. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** Undefined where there is no peer for it. */
  readonly peer?: number;
  readonly peerName?: string;
  /** What `ours` is to be below, or to reach where more is better. */
  readonly target?: number;
  /** Default false: less is better. */
  readonly isMoreBetter?: boolean;
}

export interface BenchOptions {
  readonly runs: number;
  /** How long `stability` watches. */
  readonly minutes: number;
  say(line: string): void;
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<readonly Figure[]>>> = {
  scenario: benchScenario,
  idle: benchIdle,
  start: benchStart,
  state: benchState,
  consensus: benchConsensus,
  failover: benchFailover,
  stability: benchStability,
  unpack: benchUnpack,
  containers: benchContainers,
  crowd: benchCrowd,
};

const { names, runs, minutes, json } = toolOptions(
  {
    name: "bench",
    usage: `npm run bench -- [NAME…] [--runs N] [--minutes M] [--json FILE]      NAME is one of ${Object.keys(BENCHES).join(", ")}; default: all`,
  },
  {
    allowPositionals: true,
    options: { runs: { type: "string", default: "5" }, minutes: { type: "string", default: "10" }, json: { type: "string" } },
  },
  ({ values, positionals }) => {
    for (const name of positionals) if (BENCHES[name] === undefined) throw new Misuse(`"${name}" is not one of ${Object.keys(BENCHES).join(", ")}`);
    return {
      names: positionals.length > 0 ? positionals : Object.keys(BENCHES),
      runs: countOf(values.runs, "runs"),
      minutes: countOf(values.minutes, "minutes"),
      json: values.json,
    };
  },
);

const figures: Figure[] = [];
for (const name of names) {
  figures.push(...((await BENCHES[name]?.({ runs, minutes, say: (line) => console.error(`bench: ${line}`) })) ?? []));
}

const round = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const rows = [
  ["what", "unit", "ours", "target", "peer", "ours / peer"],
  ...figures.map((figure) => [
    figure.name,
    figure.unit,
    round(figure.ours),
    figure.target === undefined ? "" : `${figure.isMoreBetter === true ? ">=" : "<"} ${round(figure.target)}`,
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
if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, null, 2)}\n`);
const missed = figures.filter(({ ours, target, isMoreBetter }) => target !== undefined && (isMoreBetter === true ? ours < target : ours >= target));
for (const { name, ours, unit, target, isMoreBetter } of missed) {
  console.error(`bench: ${name} is ${round(ours)} ${unit}, the target is ${isMoreBetter === true ? "at least" : "under"} ${round(target ?? 0)}`);
}
process.exitCode = missed.length > 0 ? 1 : 0;
