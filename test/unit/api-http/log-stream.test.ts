import { expect, test } from "vitest";
import { nanosecondText } from "../../../src/api/http/convert/time.js";
import { encodeLogEntry, type LogQuery, logContentType } from "../../../src/api/http/log-stream.js";

const QUERY: LogQuery = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1, timestamps: false, details: false };
const ENTRY = {
  stream: "stdout",
  timestampNs: 1_700_000_000_000_000_020n,
  data: Buffer.from("hello\n"),
  attributes: { "com.docker.swarm.task.id": "t", "com.docker.swarm.node.id": "n", extra: "a b,c" },
} as const;

/** Frames as [stream, payload]. */
function framesOf(bytes: Buffer): readonly (readonly [number, string])[] {
  const frames: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at + 4);
    expect(bytes.subarray(at + 1, at + 4)).toEqual(Buffer.of(0, 0, 0));
    frames.push([bytes.readUInt8(at), bytes.subarray(at + 8, at + 8 + size).toString()]);
    at += 8 + size;
  }
  return frames;
}

test.each([
  ["one line is one frame", {}, {}, { endLines: true }, [[1, "hello\n"]]],
  ["stderr is stream 2", { stream: "stderr" }, {}, { endLines: true }, [[2, "hello\n"]]],
  [
    "several lines are several frames",
    { data: Buffer.from("a\nb\n\nc") },
    {},
    { endLines: true },
    [
      [1, "a\n"],
      [1, "b\n"],
      [1, "\n"],
      [1, "c\n"],
    ],
  ],
  ["an open line stays open where asked", { data: Buffer.from("a") }, {}, { endLines: false }, [[1, "a"]]],
  ["timestamps have nine digits", {}, { timestamps: true }, { endLines: true }, [[1, "2023-11-14T22:13:20.000000020Z hello\n"]]],
  [
    "details are sorted and escaped, after the timestamp",
    {},
    { timestamps: true, details: true },
    { endLines: true },
    [[1, "2023-11-14T22:13:20.000000020Z com.docker.swarm.node.id=n,com.docker.swarm.task.id=t,extra=a%20b%2Cc hello\n"]],
  ],
])("%s", (_what, entry, query, options, frames) => {
  const encoded = encodeLogEntry({ ...ENTRY, ...(entry as object) }, { ...QUERY, ...query }, { isTty: false, ...options });
  expect(framesOf(encoded)).toEqual(frames);
});

test("of a terminal, the bytes come as they are", () => {
  const encoded = encodeLogEntry({ ...ENTRY, data: Buffer.from("a\r\nb") }, QUERY, { isTty: true, endLines: true });
  expect(encoded.toString()).toBe("a\r\nb");
});

test.each([
  [false, 42, "application/vnd.docker.multiplexed-stream"],
  [false, 41, "application/vnd.docker.raw-stream"],
  [true, 47, "application/vnd.docker.raw-stream"],
])("terminal %s in API 1.%i is %s", (isTty, minor, type) => {
  expect(logContentType(isTty, minor)).toBe(type);
});

test("nanoseconds are padded", () => {
  expect(nanosecondText(1n)).toBe("1970-01-01T00:00:00.000000001Z");
});
