import { describe, expect, test, vi } from "vitest";
import { Backoff } from "../../../src/base/backoff.js";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { base36, newContainerId, newId, newRaftId } from "../../../src/base/ids.js";
import { DirtySet } from "../../../src/base/dirty-set.js";
import { integerBetween, SeededRandom } from "../../../src/base/random.js";

describe("ids", () => {
  test("have the length and alphabet that clients expect", () => {
    expect(newId()).toMatch(/^[0-9a-z]{25}$/);
    expect(newContainerId()).toMatch(/^[0-9a-f]{64}$/);
    expect(newRaftId()).toSatisfy((id: number) => Number.isSafeInteger(id) && id > 0);
    expect(new Set(Array.from({ length: 1000 }, newId)).size).toBe(1000);
  });

  test("base36 pads on the left", () => expect(base36(Uint8Array.of(1, 0), 5)).toBe("00074"));
});

test("a delay of more than 24.8 days, the longest of a timer, is kept, and can be taken back at any time", () => {
  vi.useFakeTimers();
  try {
    const dayMs = 24 * 3_600_000;
    const seen: string[] = [];
    systemClock.after(60 * dayMs, () => seen.push("due"));
    const cancel = systemClock.after(60 * dayMs, () => seen.push("never"));
    vi.advanceTimersByTime(60 * dayMs - 1);
    expect(seen).toEqual([]);
    cancel();
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(["due"]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe("the fake clock", () => {
  test("calls in the order of time, then of registration, and not what was cancelled", async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.after(20, () => seen.push("b"));
    clock.after(10, () => seen.push("a"));
    clock.after(20, () => seen.push("c"));
    clock.after(15, () => seen.push("never"))();
    await clock.advance(19);
    expect(seen).toEqual(["a"]);
    await clock.advance(1);
    expect(seen).toEqual(["a", "b", "c"]);
  });

  test("lets a sleep be cut short", async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const sleep = clock.sleep(1000, abort.signal);
    abort.abort(new Error("enough"));
    await expect(sleep).rejects.toThrow("enough");
    expect(clock.pending).toBe(0);
  });
});

describe("sets of dirty keys", () => {
  test("a dirty key is looked at once, however often it was marked, and again when marked meanwhile", async () => {
    const dirty = new DirtySet<string>();
    for (const key of ["a", "b", "a"]) dirty.add(key);
    const seen: string[] = [];
    for await (const key of dirty) {
      seen.push(key);
      if (seen.length === 1) dirty.add("a");
      if (seen.length === 3) dirty.close();
    }
    expect(seen).toEqual(["a", "b", "a"]);
  });
});

test("a seed repeats its sequence", () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 100 }, () => integerBetween(random, 1, 6));
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(new Set(draw(7))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
});

test("a backoff doubles up to its bound, and starts over", () => {
  const backoff = new Backoff({ firstMs: 100, maxMs: 800, random: { next: () => 0.999999 } });
  expect(Array.from({ length: 5 }, () => Math.round(backoff.nextMs()))).toEqual([100, 200, 400, 800, 800]);
  backoff.reset();
  expect(Math.round(backoff.nextMs())).toBe(100);
});
