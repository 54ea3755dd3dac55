import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { surviveRestarts } from "../support/restart-survival.js";

/** The same with 100 containers: `npm run soak -- restarts`. */
test("containers survive the daemon's end, tell their own, lose no line, and come back as their policies say after the host's", {
  timeout: 180_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "lab-survival-"));
  const lab = await TestLab.open();
  try {
    const docker = new LabDocker(lab);
    await lab.lab("up", "--bare", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
    const host = {
      docker: (...args: readonly string[]) => docker.must(1, ...args),
      verb: (verb: string) => lab.lab(verb, "1"),
      areThere: async (paths: readonly string[]) => (await lab.run(["ls", ...paths])).code === 0,
      folder,
      say: () => undefined,
    };
    await surviveRestarts(host, { containers: 9, rounds: 2 });
    expect(await docker.must(1, "ps", "-aq")).toBe("");
    expect((await lab.run(["bash", "-c", `ls /var/lib/swarm-lab/${lab.name}/1/data/containers`])).stdout).toBe("");
  } finally {
    await lab[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
});
