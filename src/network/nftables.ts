import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError, isClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { startPiped } from "../base/piped-process.js";
import { Turns } from "../base/turns.js";

/** Applies commands to the kernel's packet filter. */
export interface PacketFilter {
  /** All of them in one transaction. Rejects with ClusterError `internal` and the kernel's reason; then none took effect. */
  apply(commands: readonly string[]): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const ANSWER_TIMEOUT_MS = 10_000;
/** Names a table that nobody has: listing it fails, and the failure names it. That is how nft says that it is done with what came before. */
const MARKER = "swarm_done_";

/**
 * One `nft -i` for the life of the daemon, started at first use: a change costs some milliseconds of waiting and no process. It reads
 * one transaction a line and says nothing when it succeeds, so each is followed by a command that is sure to fail.
 */
export class NftProcess implements PacketFilter {
  readonly #clock: Clock;
  #process: ChildProcess | null = null;
  #answer: { readonly marker: string; readonly done: Deferred<readonly string[]>; readonly lines: string[] } | null = null;
  #sequence = 0;
  readonly #turns = new Turns();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  apply(commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return Promise.resolve();
    return this.#turns.take(() => this.#tryTwice(commands));
  }

  /** Ends the process; the rules stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.settled();
    const child = this.#process;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.stdin?.end();
    await ended;
  }

  /** A process that ended may have taken the commands or not; all that are ours can be repeated. */
  async #tryTwice(commands: readonly string[]): Promise<void> {
    try {
      await this.#transact(commands);
    } catch (cause) {
      if (!isClusterError(cause, "aborted")) throw cause;
      await this.#transact(commands);
    }
  }

  async #transact(commands: readonly string[]): Promise<void> {
    const child = this.#process ?? this.#start();
    const marker = `list table ip ${MARKER}${++this.#sequence}`;
    const answer = { marker, done: deferred<readonly string[]>(), lines: [] };
    this.#answer = answer;
    const cancel = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
      answer.done.reject(new ClusterError("unavailable", `nft gave no answer within ${ANSWER_TIMEOUT_MS} ms`));
      child.kill("SIGKILL");
    });
    try {
      child.stdin?.write(`${commands.join("; ")}\n${marker}\n`);
      // The last line before the marker is the failure of the marker itself.
      const failure = (await answer.done.promise).slice(0, -1);
      if (failure.length > 0) throw new ClusterError("internal", `nft: ${failure.join(" ").replace(/^Error: /, "")}`);
    } finally {
      cancel();
      this.#answer = null;
    }
  }

  #start(): ChildProcess {
    const { child, pipe } = startPiped("nft", ["-i"], { stdio: ["pipe", "ignore", "pipe"] });
    const onEnd = (cause: unknown) => {
      if (this.#process === child) this.#process = null;
      const isMissing = systemCodeOf(cause) === "ENOENT";
      const reason = isMissing ? "nft is not installed (package nftables)" : `nft ended: ${messageOf(cause)}`;
      this.#answer?.done.reject(new ClusterError(isMissing ? "failed_precondition" : "aborted", reason, { cause }));
    };
    child.once("error", onEnd);
    child.once("close", (code, signal) => onEnd(new Error(signal ?? `status ${code}`)));
    // A write after its end is told by its end.
    pipe(0).on("error", () => undefined);
    createInterface({ input: pipe(2) }).on("line", (line) => this.#onLine(line));
    this.#process = child;
    return child;
  }

  #onLine(line: string): void {
    const answer = this.#answer;
    if (answer === null) return;
    if (line.trim() === answer.marker) answer.done.resolve(answer.lines);
    else if (!/^\s*\^*\s*$/.test(line.replaceAll("~", "^"))) answer.lines.push(line.trim());
  }
}
