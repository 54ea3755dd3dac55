import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { onAbort } from "../../base/abort.js";
import type { ContainerLogOptions, LogLine } from "../container-runtime.js";
import type { LogCodec } from "./log-codec.js";
import { LogFiles } from "./log-files.js";

/** Calls once no more entries will come, at once if none will; returns a function that takes this back. */
export type OnLogEnd = (call: () => void) => () => void;

/**
 * Entries of a log that a shim writes (native/shim/log.h): PATH is the newest file, PATH.1 the one before. With `follow`, waits for more until its end is told (all
 * entries are there then) or the signal aborts; without it, a `tail` gives no more entries than it says, also when more are written meanwhile. A file that
 * is rotated away while it is read is read to its end.
 */
export async function* readLog(
  path: string,
  codec: LogCodec,
  options: ContainerLogOptions,
  onEnd: OnLogEnd,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  let isReached = false;
  const wanted = (line: LogLine) => {
    // What comes after the first line of the time that was asked for is newer, whatever a clock that was set back says of it (moby's loggerutils/logfile.go).
    isReached ||= line.timestampNs >= options.sinceNs;
    return isReached && options[line.stream];
  };
  const changes = options.follow ? new ChangeSignal(dirname(path), onEnd, signal) : null;
  let reader: LogFiles | null = null;
  let left = options.follow || options.tail < 0 ? Number.POSITIVE_INFINITY : options.tail;
  try {
    reader = await LogFiles.open(path, options.tail, codec);
    for (;;) {
      const isLast = changes === null || changes.isOver;
      for await (const line of reader.entries()) {
        if (signal.aborted || left-- <= 0) return;
        if (options.untilNs !== 0n && line.timestampNs > options.untilNs) return;
        if (wanted(line)) yield line;
      }
      if (isLast || signal.aborted) return;
      await changes.wait();
    }
  } finally {
    changes?.close();
    await reader?.close();
  }
}

/** Wakes a follower when the folder changes, the container ends or the caller leaves. */
class ChangeSignal {
  readonly #watcher: FSWatcher;
  readonly #detach: readonly (() => void)[];
  #wake: (() => void) | null = null;
  #isChanged = false;
  isOver = false;

  constructor(folder: string, onEnd: OnLogEnd, signal: AbortSignal) {
    this.#watcher = watch(folder, () => this.#notify());
    const end = () => {
      this.isOver = true;
      this.#notify();
    };
    this.#detach = [onEnd(end), onAbort(signal, () => this.#notify())];
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
    this.#watcher.close();
    for (const detach of this.#detach) detach();
  }

  #notify(): void {
    this.#isChanged = true;
    this.#wake?.();
    this.#wake = null;
  }
}
