import { createReadStream } from "node:fs";

const LINE_FEED = 10;

/** Lines of a file. */
export async function countLogLines(path: string): Promise<number> {
  let lines = 0;
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = part as Buffer;
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines++;
  }
  return lines;
}
