import type { ChildProcess } from "node:child_process";
import type { Duplex } from "node:stream";
import { type Deferred, deferred } from "../../base/deferred.js";
import { ClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import { startPiped } from "../../base/piped-process.js";
import { LineSplitter } from "./line-splitter.js";

/**
 * The daemon's end of `swarm-shim spawner`: one small process, started with the first request and again when it was lost, so that no fork ever copies
 * the daemon's page tables nor blocks its event loop. Shims do not depend on it once they listen.
 */
export class Spawner {
  readonly #shimPath: string;
  readonly #cgroupArguments: readonly string[];
  readonly #logger: Logger;
  #running: { readonly child: ChildProcess; readonly socket: Duplex; readonly pending: Map<string, Deferred<void>>; readonly gone: Promise<void> } | null =
    null;

  constructor(options: { readonly shimPath: string; readonly cgroupArguments: readonly string[]; readonly logger: Logger }) {
    this.#shimPath = options.shimPath;
    this.#cgroupArguments = options.cgroupArguments;
    this.#logger = options.logger;
  }

  /** Process id of the spawner; 0 when there is none. */
  get pid(): number {
    return this.#running?.child.pid ?? 0;
  }

  /**
   * Resolves when the shim's socket listens. Throws `failed_precondition` with the reason when no shim could be made, `unavailable` when the spawner was lost
   * meanwhile: the shim may exist.
   */
  start(id: string, request: Buffer): Promise<void> {
    this.#running ??= this.#launch();
    const answer = deferred<void>();
    this.#running.pending.set(id, answer);
    this.#running.socket.write(request);
    return answer.promise;
  }

  /** Resolves when the process is gone: it ends by itself when its socket closes. */
  async close(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    running.socket.destroy();
    await running.gone;
  }

  #launch() {
    const { child, pipe } = startPiped(this.#shimPath, ["spawner", ...this.#cgroupArguments], {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      cwd: "/",
      env: {},
    });
    const socket = pipe(3);
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
    const running = { child, socket, pending: new Map<string, Deferred<void>>(), gone };
    const lines = new LineSplitter((line) => this.#onAnswer(running.pending, line));
    const onLost = (reason: string) => {
      if (this.#running === running) this.#running = null;
      for (const answer of running.pending.values()) answer.reject(new ClusterError("unavailable", `the spawner of shims was lost: ${reason}`));
      running.pending.clear();
    };
    socket.on("data", (data: Buffer) => lines.push(data));
    socket.on("error", (cause) => onLost(cause.message));
    socket.on("close", () => onLost("its socket closed"));
    child.on("error", (cause) => {
      this.#logger.error({ err: cause, path: this.#shimPath }, "the spawner of shims could not be started");
      onLost(cause.message);
    });
    return running;
  }

  #onAnswer(pending: Map<string, Deferred<void>>, line: string): void {
    const [word, named = "", ...reason] = line.split(" ");
    // Answers come in the order of requests; one that it cannot read has no id.
    const id = named === "-" ? ([...pending.keys()][0] ?? "") : named;
    const answer = pending.get(id);
    pending.delete(id);
    if (word === "listening") answer?.resolve();
    else if (answer !== undefined) answer.reject(new ClusterError("failed_precondition", reason.join(" ")));
    else this.#logger.error({ answer: line }, "the spawner of shims refused a request");
  }
}
