import type { ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import { type Deferred, deferred } from "../../base/deferred.js";
import { ClusterError } from "../../base/errors.js";
import { Limiter } from "../../base/limiter.js";
import type { Logger } from "../../base/log.js";
import { startPiped } from "../../base/piped-process.js";
import { LineSplitter } from "../shim/line-splitter.js";

/** What a layer is known by, and what its archive held. */
export interface UnpackedLayer {
  /** `sha256:…`: the digest of the archive without compression. */
  readonly diffId: string;
  readonly entries: number;
  /** Sum of the sizes of its files. */
  readonly sizeBytes: number;
  /** Extended attributes that the file system does not keep: the first few. */
  readonly dropped: readonly string[];
}

interface Running {
  readonly child: ChildProcess;
  readonly requests: Writable;
  readonly pending: Map<string, Deferred<string>>;
}

/** Each keeps two processors busy by itself. */
const UNPACKING_MAX = 2;

/**
 * The daemon's end of `swarm-unpack` (native/unpack): one small process, started with the first request and again when it was lost. It ends with
 * the daemon, and what it was doing with it.
 */
export class Unpacker {
  readonly #program: string;
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #limiter = new Limiter(UNPACKING_MAX);
  #lastId = 0;
  #running: Running | null = null;

  constructor(options: { readonly program: string; readonly folder: string; readonly logger: Logger }) {
    this.#program = options.program;
    this.#folder = options.folder;
    this.#logger = options.logger;
  }

  /**
   * Unpacks an archive (plain, gzip or zstd) into an empty folder; both are paths below the unpacker's own, without spaces. Throws ClusterError
   * `invalid_argument` when the archive is at fault, `internal` when this host is.
   */
  async unpack(archive: string, layer: string): Promise<UnpackedLayer> {
    const answer = await this.#limiter.run(() => this.#ask("unpack", archive, layer));
    return JSON.parse(answer) as UnpackedLayer;
  }

  /** Writes everything that the file system of the folder has in memory to its disk: one call for the thousands of files of a layer. */
  async sync(): Promise<void> {
    await this.#ask("sync", ".");
  }

  #ask(verb: "unpack" | "sync", ...paths: readonly string[]): Promise<string> {
    this.#running ??= this.#launch();
    const id = String(++this.#lastId);
    const answer = deferred<string>();
    this.#running.pending.set(id, answer);
    this.#running.child.ref();
    this.#running.requests.write(`${[verb, id, ...paths].join(" ")}\n`);
    return answer.promise;
  }

  #launch() {
    const { child, pipe } = startPiped(this.#program, [this.#folder], { stdio: ["pipe", "pipe", "inherit"], cwd: "/", env: {} });
    const [stdin, stdout] = [pipe(0), pipe(1)];
    const running: Running = { child, requests: stdin, pending: new Map() };
    const onLost = (reason: string) => {
      if (this.#running === running) this.#running = null;
      for (const answer of running.pending.values()) answer.reject(new ClusterError("unavailable", `the unpacker of layers was lost: ${reason}`));
      running.pending.clear();
    };
    const lines = new LineSplitter((line) => this.#onAnswer(running, line));
    stdout.on("data", (data: Buffer) => lines.push(data));
    stdout.on("close", () => onLost("it ended"));
    stdin.on("error", (cause) => onLost(cause.message));
    child.on("error", (cause) => {
      this.#logger.error({ err: cause, path: this.#program }, "the unpacker of layers could not be started");
      onLost(cause.message);
    });
    // It waits for requests for as long as the daemon lives; only while there are some does it keep its parent from ending.
    child.unref();
    for (const pipe of [stdin, stdout]) if ("unref" in pipe && typeof pipe.unref === "function") pipe.unref();
    return running;
  }

  #onAnswer({ child, pending }: Running, line: string): void {
    const [id = "", outcome, ...words] = line.split(" ");
    const answer = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) child.unref();
    const text = words.join(" ");
    if (outcome === "done") answer?.resolve(text);
    else
      answer?.reject(
        new ClusterError(outcome === "bad" ? "invalid_argument" : "internal", outcome === "bad" ? text : `a layer could not be unpacked: ${text}`),
      );
  }
}
