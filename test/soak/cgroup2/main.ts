/**
 * The runtime on a host as users have it, with cgroup version 2 alone: `npm run soak -- cgroup2 [--minutes N] [TEST FILE…]`. A virtual machine with Debian's
 * kernel and systemd runs the tests of the real runtime and its own (guest/), and tells their outcomes as they come. `npm run soak -- selinux` is the same machine with
 * SELinux in place of AppArmor, and the tests of labels.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../../src/base/errors.js";
import { repository } from "../../bench/lab-command.js";
import { countOf, toolOptions } from "../../support/tool-options.js";
import { makeDisk } from "./disk.js";
import { runMachine } from "./machine.js";
import { parseReport, type Report } from "./report.js";

const CONSOLE_LINES = 40;
/** Starting, with what the first test needs, takes two minutes, and the slowest test one; on a busy machine five times as long. */
const SILENCE_MS = 600_000;

const { kind, files, minutes } = toolOptions(
  { name: "soak", usage: "npm run soak -- cgroup2|selinux [--minutes N] [TEST FILE…]" },
  {
    options: { minutes: { type: "string", default: "60" } },
    allowPositionals: true,
  },
  ({ values, positionals: [first, ...rest] }) => ({ kind: first, files: rest, minutes: countOf(values.minutes, "minutes") }),
);
/** Permissive at first: nothing in the machine has a label but what tests give one. */
const parameters = kind === "selinux" ? "security=selinux enforcing=0" : "";

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort(new Error(`interrupted by ${name}`)));

/** Prints one outcome, and returns whether all is well with it. */
function say(report: Report): boolean {
  if (report.type === "end") return report.status === 0;
  const isGood = report.type === "test" && (report.state === "passed" || report.state === "skipped");
  const duration = report.type === "test" ? `${(report.ms / 1000).toFixed(1)} s` : "";
  console.log([report.type, report.type === "test" ? report.state : "failed", duration, report.name].join("\t"));
  for (const error of report.errors) console.log(error.replaceAll(/^/gm, "\t"));
  return isGood;
}

/** Resolves with sentences about what went wrong; none when every test passed. */
async function play(folder: string): Promise<readonly string[]> {
  const disk = makeDisk({ folder, files, seconds: minutes * 60 });
  const image = join(repository, ".tools/machine");
  const machine = { image, disk, console: join(folder, "console.txt"), parameters, silenceMs: SILENCE_MS, signal: interrupted.signal };
  let tests = 0;
  let wrong = 0;
  let end: Report | null = null;
  for await (const line of runMachine(machine)) {
    const report = parseReport(line);
    if (report === null) {
      console.log(`unreadable\t${line}`);
      continue;
    }
    if (report.type === "test") tests++;
    if (!say(report) && report.type !== "end") wrong++;
    if (report.type === "end") end = report;
  }
  console.log(`sum\ttests ${tests}\tnot passed ${wrong}`);
  if (end === null) throw new Error("the machine was switched off before its tests had ended");
  if (end.status === 124) return [`the tests took longer than ${minutes} minutes`];
  return end.status === 0 && wrong === 0 ? [] : [`the tests ended with ${end.status}`];
}

const folder = mkdtempSync(join(tmpdir(), "soak-machine-"));
let wrong: readonly string[];
try {
  execFileSync("bash", [join(repository, "deploy/setup"), "--for", "soak"], { stdio: ["ignore", "inherit", "inherit"] });
  wrong = await play(folder);
} catch (cause) {
  for (const line of lastLines(join(folder, "console.txt"))) console.log(`console\t${line}`);
  wrong = [messageOf(cause)];
}
for (const sentence of wrong) console.log(`VIOLATION\t${sentence}`);
if (wrong.length === 0) console.log("ok");
rmSync(folder, { recursive: true });
process.exitCode = wrong.length === 0 ? 0 : 1;

function lastLines(path: string): readonly string[] {
  return readFileSync(path, { encoding: "utf8", flag: "a+" }).trimEnd().split("\n").slice(-CONSOLE_LINES);
}
