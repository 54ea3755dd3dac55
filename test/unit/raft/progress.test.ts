import { expect, test } from "vitest";
import { Progress } from "../../../src/raft/progress.js";

const newProgress = () => new Progress({ next: 11, window: { messagesMax: 2, bytesMax: 100 }, recentlyActive: true, isLearner: false });

test("a probe waits for its answer", () => {
  const progress = newProgress();
  expect(progress.isPaused).toBe(false);
  progress.sent(3, 10);
  expect([progress.isPaused, progress.next]).toEqual([true, 11]);
  progress.resume();
  expect(progress.isPaused).toBe(false);
});

test("replication runs ahead until its window is full, and goes on as answers come", () => {
  const progress = newProgress();
  progress.maybeAdvance(10);
  progress.becomeReplicate();
  progress.sent(3, 10);
  expect([progress.isPaused, progress.next]).toEqual([false, 14]);
  progress.sent(1, 10);
  expect([progress.isPaused, progress.hasRoom, progress.next]).toEqual([true, false, 15]);
  progress.maybeAdvance(13);
  progress.freeInflights();
  expect([progress.isPaused, progress.hasRoom]).toEqual([false, true]);
});

test("a refusal in replication goes back to what is known", () => {
  const progress = newProgress();
  progress.maybeAdvance(10);
  progress.becomeReplicate();
  progress.sent(5, 10);
  expect(progress.maybeStepBack(10, 3)).toBe(false);
  expect(progress.maybeStepBack(15, 12)).toBe(true);
  expect([progress.state, progress.next]).toEqual(["probe", 11]);
});

test.each([
  ["to the hint", 10, 4, true, 5],
  ["never forward", 10, 30, true, 10],
  ["not when it answers an earlier probe", 9, 4, false, 11],
])("a refusal of a probe goes back: %s", (_name, rejected, hint, isNews, next) => {
  const progress = newProgress();
  expect(progress.maybeStepBack(rejected, hint)).toBe(isNews);
  expect(progress.next).toBe(next);
});

test("a refusal never goes back behind what is known to be there", () => {
  const progress = newProgress();
  progress.maybeAdvance(7);
  expect(progress.maybeStepBack(10, 2)).toBe(true);
  expect(progress.next).toBe(8);
});

test.each([
  [true, 21],
  [false, 11],
])("nothing is sent while a snapshot streams; arrived: %s, so the next entry is %i", (ok, next) => {
  const progress = newProgress();
  progress.maybeAdvance(10);
  progress.becomeSnapshot(20);
  progress.resume();
  expect(progress.isPaused).toBe(true);
  progress.snapshotEnded(ok);
  expect([progress.state, progress.next, progress.isPaused]).toEqual(["probe", next, true]);
});

test("what is known only grows", () => {
  const progress = newProgress();
  expect([progress.maybeAdvance(5), progress.maybeAdvance(5), progress.maybeAdvance(4), progress.match]).toEqual([true, false, false, 5]);
});
