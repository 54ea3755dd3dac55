import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { jsonFileCodec } from "../../../src/runtime/logs/json-file-codec.js";
import { readLog } from "../../../src/runtime/logs/log-reader.js";

const folder = mkdtempSync(join(tmpdir(), "swarm-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = (text: string) => `{"log":"${text}","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}\n`;
const options = { stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, follow: false };

/** What a reader gets of a log of three entries to which a fourth is written after it got the first. */
async function readWhileWriting(path: string, tail: number): Promise<string[]> {
  writeFileSync(path, entry("a") + entry("b") + entry("c"));
  const texts: string[] = [];
  for await (const line of readLog(path, jsonFileCodec, { ...options, tail }, new Promise(() => undefined), new AbortController().signal)) {
    if (texts.length === 0) appendFileSync(path, entry("d"));
    texts.push(Buffer.from(line.data).toString());
  }
  return texts;
}

test.each([
  [2, ["b", "c"]],
  [1, ["c"]],
  [0, []],
  [10, ["a", "b", "c", "d"]],
  [-1, ["a", "b", "c", "d"]],
])("a tail of %i is no longer than that, also while more is written", async (tail, expected) => {
  expect(await readWhileWriting(join(folder, `tail${tail}`), tail)).toEqual(expected);
});
