import { join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { busyboxTar } from "../support/root-filesystem.js";
import { EngineApi } from "./engine-api.js";
import { median, ourLab, seconds } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";
import { processorShare, proportionalMegabytes, shimsOfLab, statusMegabytes } from "./process-usage.js";

const CONTAINERS = 1000;
const CALLERS = 8;
const WINDOWS = 3;
const WINDOW_MS = 20_000;

/** A thousand idle containers on one host, with an address each: what they, and the daemon, cost. */
export async function benchCrowd({ say }: BenchOptions): Promise<readonly Figure[]> {
  const lab = ourLab();
  const folder = mkdtempSync(join(tmpdir(), "bench-crowd-"));
  try {
    await lab.verb("up", "--bare", "--managers", "1", "--workers", "0");
    writeFileSync(join(folder, "image.tar"), busyboxTar());
    await lab.docker(1, ["import", join(folder, "image.tar"), "bb:v1"]);
    using api = new EngineApi(await lab.verb("socket", "1"));
    let next = 0;
    const time = await seconds(() =>
      Promise.all(
        Array.from({ length: CALLERS }, async () => {
          while (next < CONTAINERS) await api.start(`idle-${next++}`, ["sleep", "100000"]);
        }),
      ),
    );
    say(`${CONTAINERS} containers were started in ${time.toFixed(1)} s; watching for ${WINDOWS} times ${WINDOW_MS / 1000} s`);
    const pid = Number(await lab.verb("pid", "1"));
    const shares: number[] = [];
    for (let window = 0; window < WINDOWS; window++) shares.push(await processorShare(pid, WINDOW_MS));
    const shims = shimsOfLab();
    if (shims.length !== CONTAINERS) throw new Error(`found ${shims.length} shims, expected ${CONTAINERS}`);
    return [
      { name: `${CONTAINERS} containers, created and started by ${CALLERS} callers`, unit: "per s", ours: CONTAINERS / time },
      { name: `shim, proportional (largest of ${CONTAINERS})`, unit: "MB", ours: Math.max(...shims.map(proportionalMegabytes)), target: 1.5 },
      { name: `daemon with ${CONTAINERS} idle containers, resident`, unit: "MB", ours: statusMegabytes(pid, "VmRSS"), target: 300 },
      { name: `daemon with ${CONTAINERS} idle containers, processor`, unit: "% of a core", ours: median(shares), target: 3 },
    ];
  } finally {
    await lab.verb("down");
    rmSync(folder, { recursive: true });
  }
}
