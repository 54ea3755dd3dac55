import { expect, test } from "vitest";
import { DetachFilter, parseDetachKeys } from "../../../src/api/http/detach-keys.js";

test.each([
  ["", [16, 17]],
  ["ctrl-x,q", [24, 113]],
  ["ctrl-@", [0]],
  ["ctrl-[,ctrl-_", [27, 31]],
])("keys %j are %j", (text, expected) => {
  expect(parseDetachKeys(text)).toEqual(expected);
});

test.each(["ctrl-", "ctrl-1", "abc", "a,,b"])("keys %j are refused", (text) => {
  expect(() => parseDetachKeys(text)).toThrow("Invalid detach keys");
});

test.each([
  [["ab"], "ab", false],
  [["a\x10", "\x11b"], "a", true],
  [["\x10a"], "\x10a", false],
  [["\x10\x10\x11"], "\x10", true],
  [["\x10"], "", false],
])("of %j passes %j", (parts, passed, isDetached) => {
  const filter = new DetachFilter(parseDetachKeys(""));
  const taken = parts.map((part) => filter.take(Buffer.from(part)));
  expect(taken.map(({ data }) => data.toString()).join("")).toBe(passed);
  expect(taken.at(-1)?.isDetached).toBe(isDetached);
});
