import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { jsonFileCodec } from "../../../src/runtime/logs/json-file-codec.js";
import { localCodec } from "../../../src/runtime/logs/local-codec.js";
import type { LogCodec } from "../../../src/runtime/logs/log-codec.js";
import { LogFiles } from "../../../src/runtime/logs/log-files.js";

const folder = mkdtempSync(join(tmpdir(), "swarm-tail-"));
afterAll(() => rmSync(folder, { recursive: true }));

const jsonEntry = (text: string) => Buffer.from(`{"log":"${text}\\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}\n`);

function localEntry(text: string): Buffer {
  const line = Buffer.from(text);
  const size = [...(line.length < 128 ? [line.length] : [(line.length & 0x7f) | 0x80, ((line.length >> 7) & 0x7f) | 0x80, line.length >> 14])];
  const message = Buffer.concat([Buffer.from([0x0a, 6]), Buffer.from("stdout"), Buffer.from([0x10, 7, 0x1a, ...size]), line]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message, length]);
}

const FORMATS: readonly (readonly [string, LogCodec, (text: string) => Buffer])[] = [
  ["json-file", jsonFileCodec, jsonEntry],
  ["local", localCodec, localEntry],
];

const long = "x".repeat(70_000);
const CASES: readonly (readonly [texts: readonly (readonly string[])[], count: number, expected: readonly string[]])[] = [
  [[["a", "b", "c"]], 0, []],
  [[["a", "b", "c"]], 1, ["c"]],
  [[["a", "b", "c"]], 3, ["a", "b", "c"]],
  [[["a", "b", "c"]], 9, ["a", "b", "c"]],
  [[["a", "b"], ["c"]], 1, ["c"]],
  [[["a", "b"], ["c"]], 2, ["b", "c"]],
  [[["a", "b"], []], 1, ["b"]],
  [[["a", long, "c"]], 2, [long, "c"]],
  [[[long, long, long]], 2, [long, long]],
  [[["y".repeat(65_535), "last"]], 1, ["last"]],
  [[], 5, []],
];

for (const [name, codec, encode] of FORMATS) {
  test.each(CASES)(`the last entries of a ${name} log (%#)`, async (texts, count, expected) => {
    const path = join(folder, `${name}-${CASES.findIndex(([each, wanted]) => each === texts && wanted === count)}`);
    for (const [index, lines] of texts.entries()) {
      const number = texts.length - 1 - index;
      writeFileSync(number === 0 ? path : `${path}.${number}`, Buffer.concat(lines.map(encode)));
    }
    expect(await read(path, count, codec)).toEqual(expected);
  });

  test(`an entry of a ${name} log that is being written counts when it is whole`, async () => {
    const path = join(folder, `${name}-unfinished`);
    writeFileSync(path, Buffer.concat([encode("a"), encode("b"), encode("c").subarray(0, 9)]));
    expect(await read(path, 1, codec)).toEqual(["b"]);
    expect(await read(path, -1, codec)).toEqual(["a", "b"]);
  });
}

async function read(path: string, tail: number, codec: LogCodec): Promise<string[]> {
  const log = await LogFiles.open(path, tail, codec);
  const texts: string[] = [];
  for await (const line of log.entries()) texts.push(Buffer.from(line.data).toString().trimEnd());
  await log.close();
  return texts;
}
