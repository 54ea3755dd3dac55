import type { FileHandle } from "node:fs/promises";

const READ_SIZE = 65_536;
const NEWLINE = 10;

/**
 * Where the last `count` lines begin, found from the end: a long log costs only what is asked of it. `files` are oldest first. With fewer lines than that, the
 * beginning of the oldest; with no file, index 0.
 */
export async function findTail(files: readonly FileHandle[], count: number): Promise<{ readonly index: number; readonly position: number }> {
  let missing = count;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (file === undefined) break;
    const found = await findInFile(file, missing);
    if (found.position !== null) return { index, position: found.position };
    missing -= found.lines;
  }
  return { index: 0, position: 0 };
}

/** Position is null when the file has fewer lines; it is the end of the last whole line when none is asked for. */
async function findInFile(file: FileHandle, count: number): Promise<{ readonly position: number | null; readonly lines: number }> {
  const buffer = Buffer.alloc(READ_SIZE);
  let lines = 0;
  for (let end = (await file.stat()).size; end > 0; ) {
    const start = Math.max(end - READ_SIZE, 0);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1)) {
      // The newline before the first wanted line is the one after `count` others.
      if (lines === count) return { position: start + at + 1, lines };
      lines++;
    }
    end = start;
  }
  return { position: lines === count && count > 0 ? 0 : null, lines };
}
