import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeAsRoot } from "../../support/privileges.js";
import { ContainerWorld } from "../../support/container-world.js";

interface Looked {
  readonly states: readonly string[];
  readonly afterCrash: readonly string[];
  readonly afterRemoval: readonly string[];
}
interface Played {
  readonly steps: number;
  readonly afterRemoval: readonly string[];
}

/** More steps than any life has: an end of the loop that shows what went wrong. */
const STEPS_MAX = 400;
const NOTHING: readonly string[] = [];

/** Two daemons on one host, both killed at each of their steps in turn: each sweeps what is its own, and only that. */
describeAsRoot("a daemon that is killed at any step", () => {
  let world: ContainerWorld;
  const host = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up; echo ready; cat"], { stdio: ["pipe", "pipe", "inherit"] });

  beforeAll(async () => {
    await once(host.stdout, "data");
    world = await ContainerWorld.open();
  });

  afterAll(async () => {
    host.stdin.end();
    await world?.[Symbol.asyncDispose]();
  });

  async function daemon(kind: string, ownerId: string, subnet: string, crashAt: number): Promise<readonly [Looked, Played | undefined]> {
    const folder = join(world.folder, ownerId);
    mkdirSync(folder, { recursive: true });
    if (crashAt === 1) symlinkSync(join(world.folder, "image"), join(folder, "image"));
    const script = join(import.meta.dirname, "../../support/crashing-daemon.ts");
    const words = [process.execPath, "--import", "tsx", script, folder, ownerId, `${world.cgroup}/crash`, subnet, kind, `${crashAt}`];
    const child = spawn("nsenter", [`--net=/proc/${host.pid}/ns/net`, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const lines = output.split("\n").filter(Boolean);
    if (lines.length === 0) throw new Error(`the daemon ended before it had looked: ${errors}`);
    const [looked, played] = lines.map((line) => JSON.parse(line) as unknown);
    return [looked as Looked, played as Played | undefined];
  }

  test.concurrent.each([
    ["single", "crasha", "172.30.0.0/16"],
    ["task", "crashb", "172.31.0.0/16"],
  ] as const)(
    "leaves nothing of a %s container but what its state needs",
    async (kind, ownerId, subnet) => {
      const seen = new Set<string>();
      for (let step = 1; step < STEPS_MAX; step++) {
        const [{ states, afterCrash, afterRemoval }, played] = await daemon(kind, ownerId, subnet, step);
        expect({ killedAt: step - 1, states, afterCrash, afterRemoval }).toEqual({ killedAt: step - 1, states, afterCrash: NOTHING, afterRemoval: NOTHING });
        for (const state of states) seen.add(state);
        if (played === undefined) continue;
        expect(played).toEqual({ steps: step - 1, afterRemoval: NOTHING });
        // It was killed before, while and after it ran.
        expect([...seen].sort()).toEqual(expect.arrayContaining(["created", "running"]));
        return;
      }
      throw new Error(`no life came to its end in ${STEPS_MAX} steps`);
    },
    300_000,
  );
});
