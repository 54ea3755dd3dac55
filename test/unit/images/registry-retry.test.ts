import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { retrying } from "../../../src/runtime/images/registry/retry.js";

const busy = (retryAfter: string) => new ClusterError("unavailable", "registry.example: slow down (429)", { details: { retryAfter } });

function asking(clock: FakeClock, retryAfter: string) {
  const asked: number[] = [];
  const outcome = retrying({ clock, signal: new AbortController().signal, attemptsMax: 3, isConnectRetried: true }, async () => {
    asked.push(clock.now());
    if (asked.length === 1) throw busy(retryAfter);
    return "done";
  });
  return { asked, outcome };
}

test("a registry that is busy is asked again when it says", async () => {
  const clock = new FakeClock(0);
  const { asked, outcome } = asking(clock, "7");
  await clock.advance(0);
  await clock.advance(6_999);
  expect(asked).toEqual([0]);
  await clock.advance(1);
  expect(await outcome).toBe("done");
  expect(asked).toEqual([0, 7_000]);
});

test("one that asks for longer than somebody waits for without a word is not: the failure says for how long", async () => {
  const { asked, outcome } = asking(new FakeClock(0), "30");
  await expect(outcome).rejects.toThrow("registry.example: slow down (429); it asks to be left alone for 30 s");
  expect(asked).toHaveLength(1);
});
