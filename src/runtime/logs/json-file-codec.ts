import type { FileHandle } from "node:fs/promises";
import type { FoundTail, LogCodec } from "./log-codec.js";
import { parseLogEntry } from "./log-entry.js";

const READ_SIZE = 65_536;
const NEWLINE = 10;

/** Docker's json-file format: an entry a line. */
export const jsonFileCodec: LogCodec = {
  next(data) {
    const end = data.indexOf(NEWLINE);
    return end < 0 ? null : { line: parseLogEntry(data.toString("utf8", 0, end)), sizeBytes: end + 1 };
  },
  findTail,
};

async function findTail(file: FileHandle, count: number): Promise<FoundTail> {
  const buffer = Buffer.alloc(READ_SIZE);
  let lines = 0;
  for (let end = (await file.stat()).size; end > 0; ) {
    const start = Math.max(end - READ_SIZE, 0);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1)) {
      // The newline before the first wanted line is the one after `count` others.
      if (lines === count) return { position: start + at + 1, entries: lines };
      lines++;
    }
    end = start;
  }
  return { position: lines === count && count > 0 ? 0 : null, entries: lines };
}
