import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LogFiles } from "../../../src/runtime/logs/log-files.js";
import { jsonFileCodec } from "../../../src/runtime/logs/json-file-codec.js";

const folder = mkdtempSync(join(tmpdir(), "swarm-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = (text: string) => `{"log":"${text}","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}\n`;

async function next(log: LogFiles): Promise<string[]> {
  const texts: string[] = [];
  for await (const line of log.entries()) texts.push(Buffer.from(line.data).toString());
  return texts;
}

test("a log that begins after it was opened is read from its first entry", async () => {
  const path = join(folder, "late");
  const log = await LogFiles.open(path, -1, jsonFileCodec);
  expect(await next(log)).toEqual([]);
  writeFileSync(path, entry("a"));
  expect(await next(log)).toEqual(["a"]);
  expect(await next(log)).toEqual([]);
  await log.close();
});

test("an entry that is being written is given when it is whole", async () => {
  const path = join(folder, "partial");
  writeFileSync(path, entry("a") + entry("b").slice(0, 20));
  const log = await LogFiles.open(path, -1, jsonFileCodec);
  expect(await next(log)).toEqual(["a"]);
  appendFileSync(path, entry("b").slice(20) + entry("c"));
  expect(await next(log)).toEqual(["b", "c"]);
  await log.close();
});

test("files that were rotated away meanwhile are read to their end, then the newer ones", async () => {
  const path = join(folder, "rotated");
  writeFileSync(path, entry("a"));
  const log = await LogFiles.open(path, -1, jsonFileCodec);
  expect(await next(log)).toEqual(["a"]);
  appendFileSync(path, entry("b"));
  renameSync(path, `${path}.1`);
  writeFileSync(path, entry("c"));
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, entry("d"));
  expect(await next(log)).toEqual(["b", "c", "d"]);
  await log.close();
});

test("several rotations while the files are being opened change neither order nor number of what is read", async () => {
  const path = join(folder, "busy");
  const nameOf = (number: number) => (number === 0 ? path : `${path}.${number}`);
  let [count, files] = [0, 0];
  const rotate = () => {
    for (let number = files++; number > 0; number--) renameSync(nameOf(number - 1), nameOf(number));
    writeFileSync(path, entry(`${count++}`));
  };
  for (let file = 0; file < 30; file++) rotate();
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = count;
    const busy = (left: number) => {
      if (left % 15 === 0) for (let time = 0; time < 3; time++) rotate();
      if (left > 0) setImmediate(() => busy(left - 1));
    };
    busy(150);
    const log = await LogFiles.open(path, -1, jsonFileCodec);
    const seen = (await next(log)).map(Number);
    expect(seen).toEqual(Array.from(seen, (_, at) => at));
    expect(seen.length).toBeGreaterThanOrEqual(before);
    await log.close();
  }
});

test("when the file that was read is gone, everything that is left is newer", async () => {
  const path = join(folder, "gone");
  writeFileSync(path, entry("a"));
  const log = await LogFiles.open(path, -1, jsonFileCodec);
  expect(await next(log)).toEqual(["a"]);
  rmSync(path);
  writeFileSync(`${path}.1`, entry("x"));
  writeFileSync(path, entry("y"));
  expect(await next(log)).toEqual(["x", "y"]);
  await log.close();
});

test("between two renames of a rotation nothing is missed nor read twice", async () => {
  const path = join(folder, "between");
  writeFileSync(`${path}.1`, entry("a"));
  writeFileSync(path, entry("b"));
  const log = await LogFiles.open(path, -1, jsonFileCodec);
  expect(await next(log)).toEqual(["a", "b"]);
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  expect(await next(log)).toEqual([]);
  writeFileSync(path, entry("c"));
  expect(await next(log)).toEqual(["c"]);
  await log.close();
});

test("a file that was cut is read from its beginning; damaged lines are left out", async () => {
  const path = join(folder, "cut");
  writeFileSync(path, entry("a") + entry("b"));
  const log = await LogFiles.open(path, 1, jsonFileCodec);
  expect(await next(log)).toEqual(["b"]);
  truncateSync(path, 0);
  appendFileSync(path, `{"log":"dam\n${entry("c")}`);
  expect(await next(log)).toEqual(["c"]);
  await log.close();
});
