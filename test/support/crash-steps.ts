import { appendFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import childProcess from "node:child_process";
import fs from "node:fs/promises";
import { Socket } from "node:net";

/** Calls by which a daemon changes what is outside of it; `open` only when it is not for reading. */
const CHANGES = ["mkdir", "writeFile", "rename", "rm", "rmdir", "unlink", "symlink", "link", "open", "chmod"] as const;
const WORDS_MAX = 60;

/**
 * Ends the process, as kill -9 does, right before it changes something: a file, a cgroup, another process, or anything by a message to a shim, the spawner or the packet
 * filter. Nothing of the daemon knows of it.
 */
export class CrashSteps {
  readonly #folder: string;
  #isLast: ((change: string, count: number) => boolean) | null = null;
  #changes: string[] = [];

  /** `folder` is the one that the daemon works in: its changes are told apart by their paths below it. */
  constructor(folder: string) {
    this.#folder = folder;
    this.watch(fs, CHANGES);
    this.watch(childProcess, ["spawn"]);
    this.watch(Socket.prototype, ["write"]);
    syncBuiltinESMExports();
  }

  /** Counts calls of these methods among the changes. */
  watch(owner: object, names: readonly string[]): void {
    for (const name of names) this.#wrap(owner, name);
  }

  /** From now on, until `disarm`, right before the n-th change; never for 0. */
  armAt(crashAt: number): void {
    this.#arm((_, count) => count === crashAt);
  }

  /** Right before the first change that is not among those, and then adds it to that file. */
  armUnknown(known: ReadonlySet<string>, file: string): void {
    this.#arm((change) => {
      if (known.has(change)) return false;
      appendFileSync(file, `${change}\n`);
      return true;
    });
  }

  /** What was changed since, in words; ids are left out, and what is done again is numbered. */
  disarm(): readonly string[] {
    this.#isLast = null;
    return this.#changes;
  }

  #arm(isLast: (change: string, count: number) => boolean): void {
    [this.#isLast, this.#changes] = [isLast, []];
  }

  #wrap(owner: object, name: string): void {
    const original: unknown = Reflect.get(owner, name);
    if (typeof original !== "function") throw new Error(`${name} is no function`);
    const before = (args: readonly unknown[]) => {
      if (name !== "open" || (args[1] ?? "r") !== "r") this.#step(`${name} ${this.#wordsOf(args)}`);
    };
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
      before(args);
      return Reflect.apply(original, this, args);
    });
  }

  #step(what: string): void {
    if (this.#isLast === null) return;
    const again = this.#changes.filter((change) => change.startsWith(`${what} #`)).length;
    const change = `${what} #${again + 1}`;
    this.#changes.push(change);
    if (this.#isLast(change, this.#changes.length)) process.kill(process.pid, "SIGKILL");
  }

  #wordsOf([first]: readonly unknown[]): string {
    const text = Buffer.isBuffer(first) ? first.toString("latin1") : String(first);
    const words = text
      .replaceAll(this.#folder, "")
      .replaceAll(/[0-9a-f]{12,}/g, "ID")
      .replaceAll(/[^ -~]+/g, " ")
      .replaceAll(/\d+/g, "N");
    return words.slice(0, WORDS_MAX).trim();
  }
}
