import type { ChildProcess } from "node:child_process";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { deferred } from "../../base/deferred.js";
import { ClusterError, type ErrorCode } from "../../base/errors.js";
import { startPiped } from "../../base/piped-process.js";
import { LineSplitter } from "../shim/line-splitter.js";

/** The container ended before it could be looked into: what is left of it can be, once its end is known. */
export class ContainerGone extends Error {}

export interface FilesRequest {
  readonly words: readonly string[];
  /** What shows the container's files (launch-request.ts). */
  readonly view: Buffer;
}

/** What was told before content flows. */
export type FilesAnswer = Readonly<Record<string, unknown>>;

const CODES: Readonly<Record<string, ErrorCode>> = { missing: "not_found", invalid: "invalid_argument", denied: "permission_denied" };
const CONTROL = 3;

/**
 * One request to `swarm-files` (native/files), in a process of its own that ends with the request or with the daemon. Content that it writes comes through `output`, which fails when
 * not all of it came.
 */
export class FilesProgram {
  /** Throws ContainerGone, or ClusterError with the reason. */
  readonly ready: Promise<FilesAnswer>;
  /** Everything was done. Throws as `ready`. */
  readonly done: Promise<void>;
  readonly output: Readable;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #closed = deferred<void>();
  #aborted: ClusterError | null = null;

  constructor(program: string, request: FilesRequest) {
    const { child, pipe } = startPiped(program, [...request.words], { stdio: ["pipe", "pipe", "inherit", "pipe"], cwd: "/", env: {} });
    const [stdin, stdout, control] = [pipe(0), pipe(1), pipe(CONTROL)];
    this.#child = child;
    this.#input = stdin;
    const [ready, done, output] = [deferred<FilesAnswer>(), deferred<void>(), new PassThrough()];
    [this.ready, this.done, this.output] = [ready.promise, done.promise, output];
    // Each of them may be what nobody waits for.
    for (const each of [this.ready, this.done]) each.catch(() => undefined);
    output.on("error", () => undefined);
    let end: FilesAnswer | null = null;
    const lines = new LineSplitter((line) => {
      const answer = answerOf(line);
      if (answer === null) this.#kill();
      else if (answer.type === "ready") ready.resolve(answer);
      else end = answer;
    });
    control.on("data", (data: Buffer) => lines.push(data));
    // It ends before it has read everything when something is wrong, and says what.
    for (const stream of [stdin, control]) stream.on("error", () => undefined);
    control.write(request.view);
    stdout.pipe(output, { end: false });
    output.once("close", () => {
      stdout.destroy();
      this.#kill();
    });
    const settle = (cause: Error | null) => {
      this.#closed.resolve();
      if (cause === null) {
        done.resolve();
        output.end();
        return;
      }
      ready.reject(cause);
      done.reject(cause);
      output.destroy(cause);
    };
    child.once("error", (cause) => settle(new ClusterError("internal", `${program} cannot be started: ${cause.message}`, { cause })));
    child.once("close", (code, signal) => settle(this.#aborted ?? causeOf(end, `${program} ended with ${signal ?? code}`)));
  }

  /** What goes in is read to its end, unless this ends first. Resolves as `done`. */
  async feed(content: Readable): Promise<void> {
    content.once("error", () => this.#kill());
    // What broke before it was listened to tells it no more, and would be waited for without end.
    if (content.destroyed) this.#kill();
    content.pipe(this.#input);
    try {
      await this.done;
    } finally {
      content.unpipe(this.#input);
    }
  }

  /** Ends it at once, for this reason. */
  abort(cause: ClusterError): void {
    this.#aborted = cause;
    this.output.destroy(cause);
    this.#kill();
  }

  #kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves when the process is gone, and with it every mount that it had. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }
}

/** Null for what is none. */
function answerOf(line: string): FilesAnswer | null {
  try {
    return JSON.parse(line) as FilesAnswer;
  } catch {
    // A line that is too long to come as one, say.
    return null;
  }
}

function causeOf(end: FilesAnswer | null, otherwise: string): Error | null {
  if (end?.type === "done") return null;
  if (end === null) return new ClusterError("internal", otherwise);
  if (end.type === "gone") return new ContainerGone(String(end.text));
  return new ClusterError(CODES[String(end.type)] ?? "internal", String(end.text));
}
