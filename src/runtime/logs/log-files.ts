import type { FileHandle } from "node:fs/promises";
import type { LogLine } from "../container-runtime.js";
import type { LogCodec } from "./log-codec.js";
import type { LogFile } from "./log-file.js";
import { openRotatedFiles } from "./rotated-files.js";

const READ_SIZE = 65_536;

/** Where an entry begins. */
export interface LogPosition {
  /** Of its file. */
  readonly identity: string;
  readonly offset: number;
}

/** The open files of a log that is being written, rotated and compressed, and how far they were read. The caller closes it. */
export class LogFiles {
  readonly #path: string;
  readonly #codec: LogCodec;
  /** Oldest first. */
  readonly #files: LogFile[];
  readonly #buffer = Buffer.alloc(READ_SIZE);
  /** How far the oldest open file was read, and the beginning of an entry at its end. */
  #position = 0;
  #held: Buffer = Buffer.alloc(0);

  private constructor(path: string, codec: LogCodec, files: LogFile[]) {
    this.#path = path;
    this.#codec = codec;
    this.#files = files;
  }

  /** At the beginning, or with `tail` (not negative) before the last entries. */
  static async open(path: string, tail: number, codec: LogCodec): Promise<LogFiles> {
    const log = new LogFiles(path, codec, await openRotatedFiles(path));
    if (tail >= 0) await log.#skipToTail(tail);
    return log;
  }

  /** Where an earlier reader was, whose last entry was of `timestampNs`; at the beginning, and false, when that place is gone. */
  static async openAt(
    path: string,
    place: LogPosition & { readonly timestampNs: bigint },
    codec: LogCodec,
  ): Promise<{ readonly log: LogFiles; readonly isFound: boolean }> {
    const log = new LogFiles(path, codec, await openRotatedFiles(path));
    const index = log.#files.findIndex((file) => file.identity === place.identity);
    const file = log.#files[index];
    if (file === undefined || !(await isSame(await file.content(), place, codec))) return { log, isFound: false };
    for (const older of log.#files.splice(0, index)) await older.close();
    log.#position = place.offset;
    return { log, isFound: true };
  }

  async close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close();
  }

  /** Where the next entry will be; null before there is a file. */
  get position(): LogPosition | null {
    const [file] = this.#files;
    return file === undefined ? null : { identity: file.identity, offset: this.#position - this.#held.length };
  }

  /** How much is there that was not given yet. */
  async unreadBytes(): Promise<number> {
    let size = 0;
    const current = this.position;
    const all = await openRotatedFiles(this.#path);
    for (const file of all.toReversed()) {
      const isCurrent = file.identity === current?.identity;
      size += (await (await file.content()).stat()).size - (isCurrent ? (current?.offset ?? 0) : 0);
      if (isCurrent) break;
    }
    for (const file of all) await file.close();
    return size;
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
    const file = await this.#files[0]?.content();
    if (file === undefined) return;
    // A log of a single file is cut to nothing when it is full.
    if ((await file.stat()).size < this.#position) this.#rewind();
    for (;;) {
      const { bytesRead } = await file.read(this.#buffer, 0, READ_SIZE, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      this.#held = Buffer.concat([this.#held, this.#buffer.subarray(0, bytesRead)]);
      for (let entry = this.#codec.next(this.#held); entry !== null && this.#held.length > 0; entry = this.#codec.next(this.#held)) {
        this.#held = this.#held.subarray(entry.sizeBytes);
        if (entry.line !== null) yield entry.line;
      }
    }
  }

  async #skipToTail(tail: number): Promise<void> {
    let missing = tail;
    for (let index = this.#files.length - 1; index >= 0; index--) {
      const file = this.#files[index];
      if (file === undefined) break;
      const found = await this.#codec.findTail(await file.content(), missing);
      if (found.position !== null) {
        for (const older of this.#files.splice(0, index)) await older.close();
        this.#position = found.position;
        return;
      }
      missing -= found.entries;
    }
  }

  #rewind(): void {
    this.#position = 0;
    this.#held = Buffer.alloc(0);
  }

  async #openNewer(): Promise<void> {
    const [current] = this.#files;
    const all = await openRotatedFiles(this.#path);
    const position = current === undefined ? -1 : all.findIndex((file) => file.identity === current.identity);
    // A file that was rotated out of existence is older than everything that is left.
    const isNewerKnown = position >= 0 || current === undefined || (await current.isGone());
    const newer = isNewerKnown ? all.slice(position + 1) : [];
    for (const file of all) if (!newer.includes(file)) await file.close();
    this.#files.push(...newer);
  }
}

/** A new file may have got the inode of one that is gone: then what it begins with is younger. */
async function isSame(file: FileHandle, place: { readonly offset: number; readonly timestampNs: bigint }, codec: LogCodec): Promise<boolean> {
  if ((await file.stat()).size < place.offset) return false;
  const buffer = Buffer.alloc(READ_SIZE);
  const { bytesRead } = await file.read(buffer, 0, READ_SIZE, 0);
  const first = codec.next(buffer.subarray(0, bytesRead))?.line ?? null;
  return place.offset === 0 || (first !== null && first.timestampNs <= place.timestampNs);
}
