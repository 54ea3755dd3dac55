import { expect, test } from "vitest";
import { parseJson } from "../../../src/api/http/json.js";
import { activeFixture } from "./server-fixture.js";

const lists = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const TOO_DEEP = "malformed JSON: more than 1000 objects and lists in each other";

test.each([
  ["lists", lists(1_000)],
  ["objects", objects(1_000)],
  ["many, but not in each other", `[${"[],{},".repeat(5_000)}1]`],
  ["brackets in strings", JSON.stringify({ '[{"\\': `${"[{".repeat(5_000)}"\\` })],
])("JSON is read: %s", (_, text) => {
  expect(JSON.stringify(parseJson(text))).toBe(text);
});

test.each([
  ["lists", lists(1_001)],
  ["objects", objects(1_001)],
  ["lists that never end", "[".repeat(100_000)],
  ["objects with a long number", `{"n":9007199254740993,"a":${objects(20_000)}}`],
  ["lists behind an escaped quote", `{"\\"":${lists(20_000)}}`],
])("JSON that is too deep is refused: %s", (_, text) => {
  expect(() => parseJson(text)).toThrow(expect.objectContaining({ status: 400, message: TOO_DEEP }));
});

test("half a character is no text: it becomes what the log would make of it", () => {
  expect(parseJson('{"\\uD83D":["\\ude00","\\ud83d\\ude00","a\\udfffb"],"n":9007199254740993}')).toEqual({
    "\uFFFD": ["\uFFFD", "\u{1F600}", "a\uFFFDb"],
    n: 9007199254740993n,
  });
});

const BODIES: Readonly<Record<string, string>> = {
  "deep lists": lists(20_000),
  "deep objects": objects(20_000),
  "deep in a field that nobody reads": `{"unknown":${objects(20_000)}}`,
  "deep with a long number": `{"unknown":${lists(20_000)},"n":12345678901234567890}`,
  "a long number": '{"unknown":12345678901234567890}',
  "names of prototypes": '{"__proto__":{"polluted":1},"constructor":{"prototype":1},"toString":1}',
  "halves of characters": '{"Name":"\\ud800","Labels":{"\\udfff":"\\ud800"}}',
  "a number": "1e999",
  "a text": '"x"',
  nothing: "null",
};

/** All that read JSON. */
const PATHS = [
  "/auth",
  "/commit?container=nope",
  "/containers/create",
  "/containers/nope/exec",
  "/containers/nope/update",
  "/exec/nope/start",
  "/nodes/nope/update?version=1",
  "/services/create",
  "/services/nope/update?version=1",
  "/swarm/backup",
  "/swarm/init",
  "/swarm/join",
  "/swarm/rejoin",
  "/swarm/restore",
  "/swarm/unlock",
  "/swarm/update?version=1",
  "/volumes/create",
];

test.each(PATHS)("POST %s answers strange bodies as the client's fault, in one sentence", async (path) => {
  const { call } = await activeFixture();
  for (const [what, body] of Object.entries(BODIES)) {
    const { status, json } = await call("POST", path, `${body}\n`);
    // Docker's own status for what a node that is in a swarm cannot do.
    const isRefused = (status >= 400 && status < 500) || status === 501 || (status === 503 && /already part of a swarm/.test(json?.message));
    const isDone = status === 201 || status === 200;
    expect(isRefused || (isDone && !what.startsWith("deep")), `${what}: ${status} ${JSON.stringify(json)}`).toBe(true);
    if (isRefused) expect(json.message, what).toMatch(/^[^\n]+$/);
    expect(({} as { readonly polluted?: unknown }).polluted, what).toBeUndefined();
  }
});
