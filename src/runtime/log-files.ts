import { type FileHandle, open } from "node:fs/promises";
import { systemCodeOf } from "../base/errors.js";
import type { LogLine } from "./container-runtime.js";
import { parseLogEntry } from "./log-entry.js";
import { findTail } from "./log-tail.js";

const READ_SIZE = 65_536;

/** The open files of a log that is being written and rotated, and how far they were read. The caller closes it. */
export class LogFiles {
  readonly #path: string;
  /** Oldest first. */
  readonly #files: FileHandle[];
  readonly #buffer = Buffer.alloc(READ_SIZE);
  /** How far the oldest open file was read, and the beginning of an entry at its end. */
  #position = 0;
  #held = Buffer.alloc(0);

  private constructor(path: string, files: FileHandle[]) {
    this.#path = path;
    this.#files = files;
  }

  /** At the beginning, or with `tail` (not negative) before the last entries. */
  static async open(path: string, tail: number): Promise<LogFiles> {
    const log = new LogFiles(path, await openAll(path));
    if (tail < 0) return log;
    const { index, position } = await findTail(log.#files, tail);
    for (const file of log.#files.splice(0, index)) await file.close();
    log.#position = position;
    return log;
  }

  async close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close();
  }

  /** What was written since the last call. */
  async *entries(): AsyncGenerator<LogLine, void, undefined> {
    for (;;) {
      yield* this.#rest();
      const isAtFirst = this.#files.length === 0;
      if (this.#files.length <= 1) await this.#openNewer();
      if (this.#files.length <= (isAtFirst ? 0 : 1)) return;
      if (isAtFirst) continue;
      // It is known to be written no more only now that there is a newer one: more may have come after the read above.
      yield* this.#rest();
      await this.#files.shift()?.close();
      this.#rewind();
    }
  }

  async *#rest(): AsyncGenerator<LogLine, void, undefined> {
    const [file] = this.#files;
    if (file === undefined) return;
    // A log of a single file is cut to nothing when it is full.
    if ((await file.stat()).size < this.#position) this.#rewind();
    for (;;) {
      const { bytesRead } = await file.read(this.#buffer, 0, READ_SIZE, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      let rest = Buffer.concat([this.#held, this.#buffer.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = parseLogEntry(rest.toString("utf8", 0, end));
        if (line !== null) yield line;
        rest = rest.subarray(end + 1);
      }
      this.#held = rest;
    }
  }

  #rewind(): void {
    this.#position = 0;
    this.#held = Buffer.alloc(0);
  }

  async #openNewer(): Promise<void> {
    const [current] = this.#files;
    const all = await openAll(this.#path);
    const identities = await Promise.all(all.map(identityOf));
    const position = current === undefined ? -1 : identities.indexOf(await identityOf(current));
    // A file that was rotated out of existence is older than everything that is left.
    const isNewerKnown = position >= 0 || current === undefined || (await current.stat()).nlink === 0;
    const newer = isNewerKnown ? all.slice(position + 1) : [];
    for (const file of all) if (!newer.includes(file)) await file.close();
    this.#files.push(...newer);
  }
}

async function identityOf(file: FileHandle): Promise<string> {
  const info = await file.stat({ bigint: true });
  return `${info.dev}:${info.ino}`;
}

/**
 * Oldest first, each once; none when the log was never begun. A rotation that goes on meanwhile moves files towards higher numbers, as we go: so none is
 * missed, but one can be met twice, and one name can be missing for a moment.
 */
async function openAll(path: string): Promise<FileHandle[]> {
  const byIdentity = new Map<string, FileHandle>();
  for (let number = 0, missing = 0; missing < 2; number++) {
    const file = await openIfThere(number === 0 ? path : `${path}.${number}`);
    missing = file === null ? missing + 1 : 0;
    if (file === null) continue;
    const identity = await identityOf(file);
    if (byIdentity.has(identity)) await file.close();
    else byIdentity.set(identity, file);
  }
  return [...byIdentity.values()].reverse();
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw cause;
  }
}
