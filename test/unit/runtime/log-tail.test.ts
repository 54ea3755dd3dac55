import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findTail } from "../../../src/runtime/log-tail.js";

const folder = mkdtempSync(join(tmpdir(), "swarm-tail-"));
afterAll(() => rmSync(folder, { recursive: true }));

const long = "x".repeat(70_000);
test.each([
  [["a\nb\nc\n"], 0, { index: 0, position: 6 }],
  [["a\nb\nc\n"], 1, { index: 0, position: 4 }],
  [["a\nb\nc\n"], 3, { index: 0, position: 0 }],
  [["a\nb\nc\n"], 9, { index: 0, position: 0 }],
  [["a\nb\n", "c\n"], 1, { index: 1, position: 0 }],
  [["a\nb\n", "c\n"], 2, { index: 0, position: 2 }],
  [["a\nb\n", ""], 1, { index: 0, position: 2 }],
  [[`a\n${long}\nc\n`], 2, { index: 0, position: 2 }],
  [[`${long}\n${long}\n${long}\n`], 2, { index: 0, position: 70_001 }],
  [[`${"y".repeat(65_535)}\nlast\n`], 1, { index: 0, position: 65_536 }],
  [["a\nb\nunfinished"], 1, { index: 0, position: 2 }],
  [[], 5, { index: 0, position: 0 }],
])("the last lines of %#", async (texts, count, expected) => {
  const files = [];
  for (const [index, text] of texts.entries()) {
    writeFileSync(join(folder, String(index)), text);
    files.push(await open(join(folder, String(index))));
  }
  expect(await findTail(files, count)).toEqual(expected);
  for (const file of files) await file.close();
});
