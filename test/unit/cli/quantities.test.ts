import { describe, expect, test } from "vitest";
import { CommandFailure } from "../../../src/cli/failure.js";
import { parseBytes, parseCpus, parseDuration, parsePair } from "../../../src/cli/quantities.js";

describe("durations", () => {
  test.each([
    ["0", 0n],
    ["10s", 10_000_000_000n],
    ["1m30s", 90_000_000_000n],
    ["1.5h", 5_400_000_000_000n],
    ["500ms", 500_000_000n],
    ["2502h", 9_007_200_000_000_000n],
    ["1ns", 1n],
  ])("%s", (text, expected) => expect(parseDuration(text, "flag")).toBe(expected));

  test.each(["", "10", "s", "10 s", "10x", "1m 30s", "-5s"])("refuses %j", (text) => {
    expect(() => parseDuration(text, "restart-delay")).toThrow(CommandFailure);
    expect(() => parseDuration(text, "restart-delay")).toThrow(/--restart-delay/);
  });
});

describe("sizes", () => {
  test.each([
    ["512", 512n],
    ["64m", 67_108_864n],
    ["1g", 1_073_741_824n],
    ["2GiB", 2_147_483_648n],
    ["3kb", 3072n],
    ["1.5g", 1_610_612_736n],
    ["0.25m", 262_144n],
    ["1.0001k", 1024n],
    ["9007199254740993", 9_007_199_254_740_993n],
  ])("%s", (text, expected) => expect(parseBytes(text, "flag")).toBe(expected));

  test.each(["", "m", "1.g", ".5g", "1,5g", "-1m", "1x"])("refuses %j", (text) => expect(() => parseBytes(text, "limit-memory")).toThrow(/--limit-memory/));
});

describe("processors", () => {
  test.each([
    ["1", 1_000_000_000n],
    ["0.5", 500_000_000n],
    [".25", 250_000_000n],
    ["0.000000001", 1n],
  ])("%s", (text, expected) => expect(parseCpus(text, "flag")).toBe(expected));

  test.each(["", ".", "1,5", "0.0000000001", "x"])("refuses %j", (text) => expect(() => parseCpus(text, "limit-cpu")).toThrow(/--limit-cpu/));
});

test("a pair keeps everything after its first equals sign", () => {
  expect(parsePair("a=b=c", "label")).toEqual(["a", "b=c"]);
  expect(parsePair("a", "label")).toEqual(["a", ""]);
  expect(() => parsePair("=b", "label")).toThrow(/--label/);
});
