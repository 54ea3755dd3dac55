import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ContainerWorld } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";

interface Step {
  readonly call: string;
  readonly step: number;
  /** Of a container whose shim was left alone. */
  readonly before: string;
  readonly outcome: string;
  readonly left: readonly string[];
}

describeAsRoot("a shim, or what is to become its program, that is killed at any step", () => {
  test.each([
    ["in the host's user namespace", "", 60],
    ["in one of its own", "0 1000000 65536\n", 15],
  ])("leaves nothing, harms no other container, and is told as the end of its own: %s", { timeout: 180_000 }, async (_, map, stepsMin) => {
    await using world = await ContainerWorld.open();
    const folder = join(world.folder, "steps");
    mkdirSync(join(folder, "data"), { recursive: true });
    symlinkSync(join(world.folder, "image"), join(folder, "image"));
    const script = join(import.meta.dirname, "../../support/shim-steps.ts");
    const words = ["--net", "--kill-child", "--fork", process.execPath, "--import", "tsx", script, folder, `${world.cgroup}/steps`, map];
    const child = spawn("unshare", words, { stdio: ["ignore", "pipe", "pipe"] });
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const steps = output
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Step);
    expect(steps.length, errors).toBeGreaterThan(stepsMin);
    expect(steps.filter(({ before, left }) => before !== "exited 0" || left.length > 0)).toEqual([]);
    // The last of each call was let live, and came to its end; most others were killed before theirs.
    expect(steps.filter(({ call }, index) => call !== steps[index + 1]?.call).every(({ outcome }) => outcome === "exited 0")).toBe(true);
    expect(steps.filter(({ outcome }) => outcome !== "exited 0").length).toBeGreaterThan(steps.length / 2);
  });
});
