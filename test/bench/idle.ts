import { readdirSync, readFileSync } from "node:fs";
import { dockerClient, median, ourLab } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { execFileSync } from "node:child_process";

const WINDOWS = 3;
const WINDOW_MS = 20_000;
const TICKS_PER_SECOND = 100;

/** What a leading daemon and its shims cost when nothing happens: resident memory, and the median of the processor time in windows of 20 s. */
export async function benchIdle({ say }: BenchOptions): Promise<readonly Figure[]> {
  const lab = ourLab();
  try {
    await lab.verb("up", "--managers", "3", "--workers", "0");
    const socket = await lab.verb("socket", "1");
    execFileSync(dockerClient(), ["-H", socket, "import", "-", "bb:v1"], { input: busyboxTar(), stdio: ["pipe", "ignore", "inherit"] });
    await lab.docker(1, ["service", "create", "-q", "--name", "idle", "--replicas", "10", "--constraint", "node.hostname==node-1", "bb:v1", "sleep", "100000"]);
    const pid = Number(await lab.verb("pid", "1"));
    say(`watching an idle leader for ${WINDOWS} times ${WINDOW_MS / 1000} s`);
    const shares: number[] = [];
    for (let window = 0; window < WINDOWS; window++) shares.push(await processorShare(pid));
    const shims = shimsOfLab();
    if (shims.length < 10) throw new Error(`found ${shims.length} shims, expected 10`);
    return [
      { name: "idle leader, resident", unit: "MB", ours: statusMegabytes(pid, "VmRSS"), target: 150 },
      { name: "idle leader, processor", unit: "% of a core", ours: median(shares), target: 2 },
      { name: "shim, resident (largest of 10)", unit: "MB", ours: Math.max(...shims.map((shim) => statusMegabytes(shim, "VmRSS"))), target: 3 },
      { name: "shim, proportional (largest of 10)", unit: "MB", ours: Math.max(...shims.map(proportionalMegabytes)), target: 1.5 },
    ];
  } finally {
    await lab.verb("down");
  }
}

/** Percent of a core over one window. */
async function processorShare(pid: number): Promise<number> {
  const before = processorTicks(pid);
  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  return ((processorTicks(pid) - before) / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100;
}

function processorTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function statusMegabytes(pid: number, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

function proportionalMegabytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024;
}

/** Shims of the bench's lab: told from containers by their program, and from spawners by being the parent of something. */
function shimsOfLab(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const isShim = readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "swarm-shim";
        return (
          isShim &&
          readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("/swarm-lab/bench/") &&
          readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim() !== ""
        );
      } catch {
        // Gone between the listing and the look.
        return false;
      }
    });
}
