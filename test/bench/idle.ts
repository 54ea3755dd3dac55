import { dockerClient, median, ourLab } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";
import { processorShare, proportionalMegabytes, shimsOfLab, statusMegabytes } from "./process-usage.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { execFileSync } from "node:child_process";

const WINDOWS = 3;
const WINDOW_MS = 20_000;

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
    for (let window = 0; window < WINDOWS; window++) shares.push(await processorShare(pid, WINDOW_MS));
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
