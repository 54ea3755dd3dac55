import type { FileHandle } from "node:fs/promises";
import type { LogLine } from "../container-runtime.js";

/** How entries lie in a log's files. */
export interface LogCodec {
  /** The entry that `data` begins with, with null for a damaged one; null when it is not whole yet. */
  next(data: Buffer): DecodedEntry | null;
  /** Where the last `count` entries of a file begin; null when it has fewer, and how many it has. With 0, the end of its last whole entry. */
  findTail(file: FileHandle, count: number): Promise<FoundTail>;
}

export interface DecodedEntry {
  readonly line: LogLine | null;
  readonly sizeBytes: number;
}

export interface FoundTail {
  readonly position: number | null;
  readonly entries: number;
}
