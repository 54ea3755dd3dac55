import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { Backoff } from "../../base/backoff.js";
import { type Clock, pause } from "../../base/clock.js";
import { type Deferred, deferred } from "../../base/deferred.js";
import { messageOf } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import { systemRandom } from "../../base/random.js";
import type { LogLine } from "../container-runtime.js";
import { codecOf } from "./log-formats.js";
import { LogFiles } from "./log-files.js";
import type { LogSink } from "./log-sink.js";
import { SentMark } from "./sent-mark.js";

export interface LogForwarderOptions {
  readonly containerId: string;
  /** The log, in the local driver's format. */
  readonly path: string;
  /** File that keeps how far it was sent. */
  readonly markPath: string;
  /** More than this that was not sent yet is given up, oldest first; 0 is no limit but that of the files. */
  readonly backlogBytesMax: number;
  readonly openSink: () => LogSink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nothing is left to be sent, and nothing will come. */
  readonly onFinished: () => void;
}

/** How often what waits is measured, in lines. */
const MEASURE_LINES = 64;
/** A line that is being sent may take this long when the daemon stops. */
const STOP_MS = 1_000;

/**
 * Sends a container's log, entry by entry, from its files: so nothing that is slow or away holds up the container, a restart of the daemon loses and doubles nothing, and what
 * waits is bounded by the files.
 */
export class LogForwarder {
  readonly #options: LogForwarderOptions;
  readonly #mark: SentMark;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff({ firstMs: 50, maxMs: 5_000, random: systemRandom });
  readonly #watcher: FSWatcher;
  readonly #running: Promise<void>;
  #sink: LogSink | null = null;
  #hasFailed = false;
  #isFinishing = false;
  #isChanged = false;
  #wake: (() => void) | null = null;
  /** Wait for the end of a pass over the files that begins from now on. */
  #drains: Deferred<void>[] = [];

  constructor(options: LogForwarderOptions) {
    this.#options = options;
    this.#mark = new SentMark(options.markPath);
    this.#watcher = watch(dirname(options.path), (_, name) => {
      // What is sent is told to a file of the same folder.
      if (name === null || options.path.endsWith(`/${name}`)) this.#notify();
    });
    this.#watcher.on("error", () => this.#notify());
    this.#running = this.#run()
      .catch((cause: unknown) =>
        options.logger.error({ err: cause, container: options.containerId }, `a container's log is not sent any more: ${messageOf(cause)}`),
      )
      .finally(() => this.#end());
  }

  /** It ends by itself once everything is sent (the container has ended), or goes on (it was started again). */
  finish(isFinishing: boolean): void {
    this.#isFinishing = isFinishing;
    this.#notify();
  }

  /** Resolves when what is in the log now was sent, at the latest after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const drained = deferred<void>();
    this.#drains.push(drained);
    this.#notify();
    const cancel = this.#options.clock.after(timeoutMs, () => drained.resolve());
    await drained.promise;
    cancel();
  }

  /** What was not sent yet is sent by the next one for this log. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#notify();
    const cancel = this.#options.clock.after(STOP_MS, () => this.#sink?.close());
    await this.#running;
    cancel();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #notify(): void {
    this.#isChanged = true;
    this.#wake?.();
    this.#wake = null;
  }

  async #run(): Promise<void> {
    const log = await this.#open();
    try {
      while (!this.#isStopping) {
        this.#isChanged = false;
        const [drains, isLast] = [this.#drains.splice(0), this.#isFinishing];
        await this.#pass(log);
        for (const drained of drains) drained.resolve();
        if (isLast && this.#isFinishing && !this.#isChanged) {
          // Before anybody could think that it goes on.
          this.#options.onFinished();
          return;
        }
        await this.#change();
      }
    } finally {
      await log.close();
    }
  }

  async #open(): Promise<LogFiles> {
    const { path, containerId, logger } = this.#options;
    const codec = codecOf("local");
    const sent = this.#mark.read();
    if (sent === null) return LogFiles.open(path, -1, codec);
    const { log, isFound } = await LogFiles.openAt(path, sent, codec);
    if (!isFound) logger.warn({ container: containerId }, "part of a container's log was never sent: its files were rotated away meanwhile");
    return log;
  }

  async #pass(log: LogFiles): Promise<void> {
    const { backlogBytesMax, containerId, logger } = this.#options;
    let [count, given] = [0, 0];
    let isBehind = false;
    for await (const line of log.entries()) {
      if (this.#isStopping) return;
      if (backlogBytesMax > 0 && count++ % MEASURE_LINES === 0) isBehind = (await log.unreadBytes()) > backlogBytesMax;
      if (isBehind) given++;
      else if (!(await this.#send(line))) return;
      const { position } = log;
      if (position !== null) this.#mark.write({ ...position, timestampNs: line.timestampNs });
    }
    if (given > 0) logger.warn({ container: containerId, lines: given }, "lines of a container's log were given up: more waited than max-buffer-size");
  }

  /** False when it was not sent since this stops. */
  async #send(line: LogLine): Promise<boolean> {
    const { openSink, containerId, logger } = this.#options;
    for (;;) {
      try {
        this.#sink ??= openSink();
        await this.#sink.send(line);
        if (this.#hasFailed) logger.info({ container: containerId }, "a container's log is sent again");
        this.#hasFailed = false;
        this.#backoff.reset();
        return true;
      } catch (cause) {
        this.#sink?.close();
        this.#sink = null;
        if (this.#isStopping) return false;
        if (!this.#hasFailed) logger.warn({ container: containerId, reason: messageOf(cause) }, "a container's log cannot be sent; it is kept meanwhile");
        this.#hasFailed = true;
        await pause(this.#options.clock, this.#backoff.nextMs(), this.#stopping.signal);
      }
    }
  }

  /** Something was written, or is to be done. */
  #change(): Promise<void> {
    if (this.#isChanged) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #end(): void {
    this.#watcher.close();
    this.#sink?.close();
    this.#mark.close();
    for (const drained of this.#drains.splice(0)) drained.resolve();
    this.#options.onFinished();
  }
}
