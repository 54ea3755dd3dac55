import { watch } from "node:fs";
import { dirname } from "node:path";
import type { ContainerLogOptions, LogLine } from "../container-runtime.js";
import type { LogCodec } from "./log-codec.js";
import { LogFiles } from "./log-files.js";

/**
 * Entries of a log that a shim writes (native/shim/log.h): PATH is the newest file, PATH.1 the one before. With `follow`, waits for more until `ended` resolves (all
 * entries are there then) or the signal aborts; without it, a `tail` gives no more entries than it says, also when more are written meanwhile. A file that
 * is rotated away while it is read is read to its end.
 */
export async function* readLog(
  path: string,
  codec: LogCodec,
  options: ContainerLogOptions,
  ended: Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const wanted = (line: LogLine) =>
    options[line.stream] && line.timestampNs >= options.sinceNs && (options.untilNs === 0n || line.timestampNs <= options.untilNs);
  const changes = new ChangeSignal(options.follow ? dirname(path) : null, ended, signal);
  let reader: LogFiles | null = null;
  let left = options.follow || options.tail < 0 ? Number.POSITIVE_INFINITY : options.tail;
  try {
    reader = await LogFiles.open(path, options.tail, codec);
    for (;;) {
      const isLast = changes.isOver;
      for await (const line of reader.entries()) {
        if (signal.aborted || left-- <= 0) return;
        if (options.untilNs !== 0n && line.timestampNs > options.untilNs) return;
        if (wanted(line)) yield line;
      }
      if (!options.follow || isLast || signal.aborted) return;
      await changes.wait();
    }
  } finally {
    changes.close();
    await reader?.close();
  }
}

/** Wakes a follower when the folder changes, the container ends or the caller leaves. */
class ChangeSignal {
  readonly #watcher;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#notify();
  #wake: (() => void) | null = null;
  #isChanged = false;
  isOver = false;

  constructor(folder: string | null, ended: Promise<void>, signal: AbortSignal) {
    this.#watcher = folder === null ? null : watch(folder, () => this.#notify());
    ended.then(() => {
      this.isOver = true;
      this.#notify();
    });
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async wait(): Promise<void> {
    if (!this.#isChanged) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isChanged = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  #notify(): void {
    this.#isChanged = true;
    this.#wake?.();
    this.#wake = null;
  }
}
