import { syncBuiltinESMExports } from "node:module";
import childProcess from "node:child_process";
import fs from "node:fs/promises";
import { Socket } from "node:net";

/** Calls by which a daemon changes what is outside of it; `open` only when it is not for reading. */
const CHANGES = ["mkdir", "writeFile", "rename", "rm", "rmdir", "unlink", "symlink", "link", "open", "chmod"] as const;

/**
 * Ends the process, as kill -9 does, right before it changes something for the n-th time after `arm`: a file, a cgroup, another process, or anything by a message
 * to a shim, the spawner or the packet filter. Nothing of the daemon knows of it.
 */
export class CrashSteps {
  readonly #crashAt: number;
  #count = 0;
  #isArmed = false;

  constructor(crashAt: number) {
    this.#crashAt = crashAt;
    for (const name of CHANGES) this.#wrap(fs, name);
    this.#wrap(childProcess, "spawn");
    this.#wrap(Socket.prototype, "write");
    syncBuiltinESMExports();
  }

  get count(): number {
    return this.#count;
  }

  arm(): void {
    this.#isArmed = true;
  }

  disarm(): void {
    this.#isArmed = false;
  }

  #wrap(owner: object, name: string): void {
    const original: unknown = Reflect.get(owner, name);
    if (typeof original !== "function") throw new Error(`${name} is no function`);
    const before = (args: readonly unknown[]) => {
      if (name !== "open" || (args[1] ?? "r") !== "r") this.#step();
    };
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
      before(args);
      return Reflect.apply(original, this, args);
    });
  }

  #step(): void {
    if (this.#isArmed && ++this.#count === this.#crashAt) process.kill(process.pid, "SIGKILL");
  }
}
