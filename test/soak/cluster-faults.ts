/**
 * A real cluster under faults for as long as wanted: `npm run soak -- [--rounds N] [--seed S]`. A seed repeats the choices (faults, victims, times,
 * services and managers written to), not what the machine makes of them.
 */
import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../src/base/errors.js";
import { SeededRandom } from "../../src/base/random.js";
import { BenchLab, repository } from "../bench/lab-command.js";
import { countOf, toolOptions } from "../support/tool-options.js";
import { allAnswer, appliedConverges, memberAt, viewThrough } from "./cluster.js";
import { FAULTS, type Fault, planRounds, type Round } from "./rounds.js";
import { type Attempt, Writer } from "./writer.js";

const MANAGERS = 3;
const SERVICES = 20;

const { rounds, seed } = toolOptions(
  { name: "soak", usage: "npm run soak -- [--rounds N] [--seed S]   |   npm run soak -- restarts|cgroup2|selinux …" },
  {
    options: { rounds: { type: "string", default: "200" }, seed: { type: "string", default: String(Date.now() % 2 ** 31) } },
  },
  ({ values }) => ({ rounds: countOf(values.rounds, "rounds"), seed: countOf(values.seed, "as the seed", 0) }),
);

const lab = new BenchLab([join(repository, "deploy/lab"), "--name", "soak"]);
const numbers = Array.from({ length: MANAGERS }, (_, index) => index + 1);
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort(new Error(`interrupted by ${name}`)));

const gaps = new Map<string, number[]>();
const attempts: Attempt[] = [];
const lines: string[] = [];
const say = (line: string) => {
  lines.push(line);
  console.log(line);
};

async function play(round: Round, number: number, sockets: readonly string[], writer: Writer): Promise<void> {
  const { fault, victim } = round;
  const role = (await memberAt(sockets[victim - 1] ?? "")).isLeader ? "leader" : "follower";
  const before = { ...writer.counts };
  writer.takeLongestMs();
  const began = performance.now();
  await lab.verb(fault, String(victim));
  await sleep(round.lastsMs, undefined, { signal: interrupted.signal });
  const healing = performance.now();
  await lab.verb(fault === "cut" ? "heal" : "start", String(victim));
  await allAnswer(sockets, interrupted.signal);
  const recoveredMs = performance.now() - healing;
  await sleep(round.pauseMs, undefined, { signal: interrupted.signal });
  const gapMs = writer.takeLongestMs();
  for (const key of [fault, `${fault} ${role}`]) gaps.set(key, [...(gaps.get(key) ?? []), gapMs]);
  const { acknowledged, conflict, refused, unknown, unread } = writer.counts;
  say(
    [
      `round ${number}/${rounds}`,
      `${fault} node-${victim} (${role})`,
      `for ${seconds(healing - began)}`,
      `back in ${seconds(recoveredMs)}`,
      `longest gap ${seconds(gapMs)}`,
      `acknowledged ${acknowledged - before.acknowledged}`,
      `conflict ${conflict - before.conflict}`,
      `refused ${refused - before.refused}`,
      `unknown ${unknown - before.unknown}`,
      `unread ${unread - before.unread}`,
    ].join("\t"),
  );
}

/** What must hold when the faults are over and everything is back; the sentences say what does not. */
async function finalFaults(sockets: readonly string[], writer: Writer): Promise<readonly string[]> {
  await allAnswer(sockets, interrupted.signal);
  const views = await Promise.all(sockets.map(viewThrough));
  const wrong = views.flatMap((view, index) => writer.judge(view.services).map((sentence) => `manager ${index + 1}, at the end: ${sentence}`));
  const digests = views.map((view) => view.digest);
  if (new Set(digests).size > 1) wrong.push(`the managers do not show the same services and nodes: ${digests.join(", ")}`);
  const applied = await appliedConverges(sockets, interrupted.signal);
  say(`end\tdigests ${digests.join(" ")}\tapplied index ${applied} on all ${sockets.length}`);
  return wrong;
}

function summary(writer: Writer, played: number): void {
  const { counts } = writer;
  say(
    `sum\trounds ${played}\tacknowledged ${counts.acknowledged}\tconflict ${counts.conflict}\trefused ${counts.refused}\tunknown ${counts.unknown}\tunread ${counts.unread}`,
  );
  for (const fault of FAULTS) for (const of of ["", " leader", " follower"]) sayGaps(fault, of);
  for (const [reason, count] of [...writer.reasons].toSorted((a, b) => b[1] - a[1])) say(`reason\t${count}\t${reason}`);
}

function sayGaps(fault: Fault, of: string): void {
  const times = (gaps.get(`${fault}${of}`) ?? []).toSorted((a, b) => a - b);
  if (times.length === 0) return;
  say(`gap\t${fault}${of}\trounds ${times.length}\tmedian ${seconds(times[Math.floor(times.length / 2)] ?? 0)}\tlongest ${seconds(times.at(-1) ?? 0)}`);
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

/** Copies the daemons' logs, every attempt and what was printed to a new folder, and resolves with its path. */
async function keepEvidence(violations: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `soak-${seed}-`));
  writeFileSync(join(folder, "attempts.jsonl"), attempts.map((attempt) => `${JSON.stringify(attempt)}\n`).join(""));
  writeFileSync(join(folder, "rounds.txt"), [...lines, ...violations, ""].join("\n"));
  for (const number of numbers) copyFileSync(await lab.verb("log", String(number)), join(folder, `node-${number}.txt`));
  return folder;
}

async function soak(): Promise<readonly string[]> {
  await lab.verb("up", "--managers", String(MANAGERS), "--workers", "0");
  const sockets = await Promise.all(numbers.map(async (number) => (await lab.verb("socket", String(number))).replace("unix://", "")));
  const writer = new Writer(sockets, new SeededRandom(seed + 1), (attempt) => attempts.push(attempt));
  await writer.prepare(SERVICES);
  const over = new AbortController();
  const wrong: string[] = [];
  const writing = writer.run(over.signal).catch((cause: unknown) => wrong.push(`the writer ended: ${messageOf(cause)}`));
  let played = 0;
  try {
    for (const round of planRounds(new SeededRandom(seed), rounds, MANAGERS)) {
      await play(round, played + 1, sockets, writer);
      played++;
      if (writer.violations.length + wrong.length > 0) break;
    }
  } catch (cause) {
    if (interrupted.signal.aborted) throw interrupted.signal.reason;
    wrong.push(`round ${played + 1}: ${messageOf(cause)}`);
  } finally {
    over.abort();
    await writing;
    summary(writer, played);
  }
  wrong.push(...writer.violations);
  if (wrong.length === 0) wrong.push(...(await finalFaults(sockets, writer)));
  return wrong;
}

say(`soak\tseed ${seed}\trounds ${rounds}\tmanagers ${MANAGERS}\tservices ${SERVICES}`);
try {
  // A run that was killed may have left its lab.
  await lab.verb("down");
  let wrong: readonly string[];
  try {
    wrong = await soak();
  } catch (cause) {
    if (interrupted.signal.aborted) throw cause;
    wrong = [messageOf(cause)];
  }
  for (const sentence of wrong) say(`VIOLATION\t${sentence}`);
  say(wrong.length === 0 ? "ok" : `evidence\t${await keepEvidence(wrong)}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (cause) {
  console.error(`soak: ${messageOf(cause)}`);
  process.exitCode = 1;
} finally {
  await lab.verb("down");
}
