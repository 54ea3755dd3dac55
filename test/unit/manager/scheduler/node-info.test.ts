import { expect, test } from "vitest";
import { FAILURES_MAX, NodeInfo } from "../../../../src/manager/scheduler/node-info.js";

const MINUTE_MS = 60_000;

test("failures of versions that nobody asks for any more are forgotten", () => {
  const info = new NodeInfo();
  for (let version = 1; version <= 1_000; version++) info.noteFailure(`service/${version}`, version * MINUTE_MS);
  expect(info.failedVersions).toBe(5);
  expect([995, 996, 1_000].map((version) => info.failuresOf(`service/${version}`, 1_000 * MINUTE_MS))).toEqual([0, 1, 1]);
});

test("a version that goes on failing does not keep others from being forgotten", () => {
  const info = new NodeInfo();
  info.noteFailure("looping/1", 0);
  info.noteFailure("removed/1", 0);
  for (let minute = 1; minute <= 10; minute++) info.noteFailure("looping/1", minute * MINUTE_MS);
  expect(info.failedVersions).toBe(1);
  expect(info.failuresOf("looping/1", 10 * MINUTE_MS)).toBe(FAILURES_MAX);
});

test("more failures than the most that count are not kept", () => {
  const info = new NodeInfo();
  for (let failure = 0; failure < 2 * FAILURES_MAX; failure++) info.noteFailure("web/1", 0);
  expect(info.failuresOf("web/1", 0)).toBe(FAILURES_MAX);
});
