import { LogFile } from "./log-file.js";

/**
 * The files of a log as they were at one moment, oldest first, each once; none when it was never begun. Rotations that go on meanwhile rename files towards
 * higher numbers, from the highest on, and then begin PATH anew (native/shim/log.h): so a file is known to be the next older one of another only when PATH is still
 * the same after it was opened. The caller closes them.
 */
export async function openRotatedFiles(path: string): Promise<LogFile[]> {
  const newestFirst: LogFile[] = [];
  try {
    let number = -1;
    let newest = await LogFile.identityAt(path);
    for (;;) {
      const older = await openOlder(path, number);
      const newestNow = await LogFile.identityAt(path);
      if (newestNow !== newest) {
        await older?.file.close();
        newest = newestNow;
        const last = newestFirst.at(-1);
        const found = last === undefined ? -1 : await numberOf(path, last, number);
        // Rotated out of existence: so is everything older.
        if (found === null) break;
        number = found;
        continue;
      }
      if (older === null) break;
      number = older.number;
      // Renamed since it was opened, by a rotation that has not come to PATH yet.
      if (older.file.identity === newestFirst.at(-1)?.identity) await older.file.close();
      else newestFirst.push(older.file);
    }
  } catch (cause) {
    for (const file of newestFirst) await file.close();
    throw cause;
  }
  return newestFirst.reverse();
}

interface Numbered {
  readonly number: number;
  readonly file: LogFile;
}

/** The next one that is there: a rotation under way leaves one number free for a moment. */
async function openOlder(path: string, number: number): Promise<Numbered | null> {
  for (const candidate of [number + 1, number + 2]) {
    const file = await LogFile.open(nameOf(path, candidate));
    if (file !== null) return { number: candidate, file };
  }
  return null;
}

/** The number that a file has by now, which was `from` and only grows; null when it is gone. */
async function numberOf(path: string, wanted: LogFile, from: number): Promise<number | null> {
  for (let number = Math.max(from, 0) - 1; ; ) {
    const older = await openOlder(path, number);
    if (older === null) return null;
    number = older.number;
    await older.file.close();
    if (older.file.identity === wanted.identity) return number;
  }
}

function nameOf(path: string, number: number): string {
  return number === 0 ? path : `${path}.${number}`;
}
