import { getEventListeners } from "node:events";
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
  for await (const line of readLog(path, jsonFileCodec, { ...options, tail }, () => () => undefined, new AbortController().signal)) {
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

test.each([
  ["without following", false, ["a", "b"], 0],
  ["following", true, ["a", "b", "c"], 1],
])("a reader that is done leaves nothing behind where it listened: %s", async (name, follow, expected, listenersMax) => {
  const path = join(folder, name);
  writeFileSync(path, entry("a") + entry("b"));
  const [listeners, life] = [new Set<() => void>(), new AbortController()];
  const onEnd = (call: () => void) => {
    listeners.add(call);
    return () => listeners.delete(call);
  };
  const texts: string[] = [];
  for await (const line of readLog(path, jsonFileCodec, { ...options, tail: -1, follow }, onEnd, life.signal)) {
    expect(listeners.size).toBe(listenersMax);
    texts.push(Buffer.from(line.data).toString());
    if (texts.length === 2) {
      if (follow) appendFileSync(path, entry("c"));
      for (const end of listeners) end();
    }
  }
  expect(texts).toEqual(expected);
  expect([listeners.size, getEventListeners(life.signal, "abort").length]).toEqual([0, 0]);
});
