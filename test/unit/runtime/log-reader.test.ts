import { getEventListeners } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { jsonFileCodec } from "../../../src/runtime/logs/json-file-codec.js";
import { readLog } from "../../../src/runtime/logs/log-reader.js";

const folder = mkdtempSync(join(tmpdir(), "swarm-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = (text: string, minute = "04") => `{"log":"${text}","stream":"stdout","time":"2026-01-02T03:${minute}:05.000000006Z"}\n`;
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

test("since a time: all from the first line of that time on, also when the clock was set back", async () => {
  const path = join(folder, "since");
  writeFileSync(path, entry("old", "01") + entry("a", "05") + entry("set back", "02"));
  const sinceNs = BigInt(Date.UTC(2026, 0, 2, 3, 4)) * 1_000_000n;
  const ends: (() => void)[] = [];
  const onEnd = (call: () => void) => {
    ends.push(call);
    return () => undefined;
  };
  const texts: string[] = [];
  for await (const line of readLog(path, jsonFileCodec, { ...options, sinceNs, tail: -1, follow: true }, onEnd, new AbortController().signal)) {
    texts.push(Buffer.from(line.data).toString());
    if (texts.length < 2) continue;
    if (texts.length === 2) appendFileSync(path, entry("still", "03"));
    for (const end of ends) end();
  }
  expect(texts).toEqual(["a", "set back", "still"]);
});
