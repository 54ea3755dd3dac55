import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { inCgroups, removeCgroups } from "./cgroups.js";

const NAME = "swarm-bench-hogs";
/** Files that are written over and over, in MB. */
const BULK_MB = 256;

/** Keeps every processor and the disk busy, at the priority of any other process, in a cgroup of its own. Small and large durable writes, since they stand in each other's way. */
export class Hogs implements AsyncDisposable {
  readonly #folder = mkdtempSync("/var/lib/bench-hogs-");
  readonly #children: ChildProcess[] = [];

  constructor() {
    for (const _ of cpus()) this.#start("while :; do :; done");
    this.#start(`while :; do dd if=/dev/zero of=${join(this.#folder, "bulk")} bs=1M count=${BULK_MB} conv=fsync,notrunc status=none; done`);
    this.#start(`while :; do dd if=/dev/zero of=${join(this.#folder, "small")} bs=4k count=256 oflag=dsync conv=notrunc status=none; done`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const ended = once(child, "exit");
      // A process group of its own, so that what the loop just runs goes with it.
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true });
    await removeCgroups(NAME);
  }

  #start(loop: string): void {
    const [program = "", ...args] = [...inCgroups(NAME, cpus().length), "bash", "-c", loop];
    this.#children.push(spawn(program, args, { detached: true, stdio: "ignore" }));
  }
}
