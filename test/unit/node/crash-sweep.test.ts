import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileScript } from "../../support/compiled-script.js";
import { describeAsRoot } from "../../support/privileges.js";
import { ContainerWorld } from "../../support/container-world.js";

interface Looked {
  /** What the sweep changed. */
  readonly swept: readonly string[];
  readonly states: readonly string[];
  readonly afterCrash: readonly string[];
  readonly afterRemoval: readonly string[];
}
interface Played {
  readonly afterRemoval: readonly string[];
}

/** More steps than any life, or any sweep, has: an end of the loops that shows what went wrong. */
const STEPS_MAX = 400;
const NOTHING: readonly string[] = [];

/**
 * Which changes of sweeps were seen, and before which of them a daemon was killed. One that was never seen before, being about what a crash left, is struck at once; of those that
 * every start makes, another one is struck after each crash. The first start, which makes what all others find, is let live.
 */
class SweepChanges {
  readonly #file: string;
  readonly #seen = new Set<string>();
  readonly #struck = new Set<string>();
  /** What the second start did, which had nothing to sweep either: no daemon was sent to these yet. */
  #targets: string[] | null = null;

  constructor(folder: string) {
    this.#file = join(folder, "known");
  }

  get file(): string {
    return this.#file;
  }

  get struck(): readonly string[] {
    return [...this.#struck];
  }

  /** Sends the next daemon to another target; false when there is none left. */
  nextTarget(): boolean {
    const target = this.#targets?.shift();
    if (target === undefined) return false;
    this.#write([...this.#seen].filter((change) => change !== target));
    return true;
  }

  /** After a daemon that said nothing; null when it was killed by nobody. */
  strike(): string | null {
    const change = readFileSync(this.#file, "utf8").trimEnd().split("\n").at(-1) ?? "";
    if (this.#struck.has(change)) return null;
    this.#struck.add(change);
    this.#seen.add(change);
    this.#write([...this.#seen]);
    return change;
  }

  survived(changes: readonly string[]): void {
    if (this.#seen.size > 0 && this.#targets === null) this.#targets = [...changes];
    for (const change of changes) this.#seen.add(change);
    if (!existsSync(this.#file)) this.#write([...this.#seen]);
  }

  #write(known: readonly string[]): void {
    writeFileSync(this.#file, `${known.join("\n")}\n`);
  }
}

/** Two daemons on one host, both killed at each of their steps in turn, and at those of the sweep that follows: each sweeps what is its own, and only that. */
describeAsRoot("a daemon that is killed at any step", () => {
  let world: ContainerWorld;
  let script: string;
  const host = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up; echo ready; cat"], { stdio: ["pipe", "pipe", "inherit"] });

  beforeAll(async () => {
    await once(host.stdout, "data");
    world = await ContainerWorld.open();
    script = compileScript(join(import.meta.dirname, "../../support/crashing-daemon.ts"), join(world.folder, "compiled"));
  });

  afterAll(async () => {
    host.stdin.end();
    await world?.[Symbol.asyncDispose]();
  });

  /** Of one owner, whose life of a container is cut short at a step, and sweeps as `changes` say. */
  async function daemon(words: readonly string[], changes: SweepChanges): Promise<readonly [Looked, Played | undefined]> {
    for (let killed: string[] = []; killed.length < STEPS_MAX; ) {
      const child = spawn("nsenter", [`--net=/proc/${host.pid}/ns/net`, process.execPath, script, ...words], { stdio: ["ignore", "pipe", "pipe"] });
      const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const lines = output.split("\n").filter(Boolean);
      const [looked, played] = lines.map((line) => JSON.parse(line) as unknown);
      if (looked !== undefined) return [looked as Looked, played as Played | undefined];
      const change = errors === "" ? changes.strike() : null;
      if (change === null) throw new Error(`the daemon ended before it had looked, after others were killed before ${killed.join(", ")}: ${errors}`);
      killed = [...killed, change];
    }
    throw new Error(`no sweep came to its end in ${STEPS_MAX} steps`);
  }

  test.concurrent.each([
    ["single", "crasha", "172.30.0.0/16"],
    ["task", "crashb", "172.31.0.0/16"],
  ] as const)(
    "leaves nothing of a %s container but what its state needs",
    async (kind, ownerId, subnet) => {
      const folder = join(world.folder, ownerId);
      mkdirSync(folder);
      symlinkSync(join(world.folder, "image"), join(folder, "image"));
      const changes = new SweepChanges(folder);
      const seen = new Set<string>();
      for (let [step, isOver] = [1, false]; changes.nextTarget() || !isOver; step++) {
        const words = [folder, ownerId, `${world.cgroup}/crash`, subnet, kind, changes.file, `${isOver ? STEPS_MAX : step}`];
        const [{ swept, states, afterCrash, afterRemoval }, played] = await daemon(words, changes);
        expect({ killedAt: step - 1, states, afterCrash, afterRemoval }).toEqual({ killedAt: step - 1, states, afterCrash: NOTHING, afterRemoval: NOTHING });
        for (const state of states) seen.add(state);
        changes.survived(swept);
        isOver ||= played !== undefined;
        if (played !== undefined) expect(played).toEqual({ afterRemoval: NOTHING });
        if (step >= STEPS_MAX) throw new Error(`no life came to its end in ${STEPS_MAX} steps`);
      }
      // It was killed before, while and after it ran; and sweeps before they removed what was left, and before they made the network anew.
      expect([...seen].sort()).toEqual(expect.arrayContaining(["created", "running"]));
      expect(changes.struck).toEqual(expect.arrayContaining(["rm /data/containers/ID #1", "spawn nft #1"]));
      expect(changes.struck.filter((change) => change.startsWith("rmdir /sys/fs/cgroup")).length).toBeGreaterThan(0);
    },
    600_000,
  );
});
