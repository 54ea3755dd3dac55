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
  expect([progress.isPaused, progress.expected]).toEqual([true, 20]);
  progress.snapshotEnded(ok);
  expect([progress.state, progress.next, progress.isPaused, progress.expected]).toEqual(["probe", next, true, 10]);
});

test("what is known only grows", () => {
  const progress = newProgress();
  expect([progress.maybeAdvance(5), progress.maybeAdvance(5), progress.maybeAdvance(4), progress.match]).toEqual([true, false, false, 5]);
});

test("an acknowledgement makes room for what it covers, and for no more; by bytes as by messages", () => {
  const progress = new Progress({ next: 11, window: { messagesMax: 3, bytesMax: 100 }, recentlyActive: true, isLearner: false });
  progress.maybeAdvance(10);
  progress.becomeReplicate();
  for (const bytes of [60, 30, 20]) progress.sent(1, bytes);
  progress.maybeAdvance(11);
  progress.freeInflights();
  expect(progress.hasRoom).toBe(true);
  progress.sent(1, 50);
  expect(progress.hasRoom).toBe(false);
  progress.maybeAdvance(12);
  progress.freeInflights();
  progress.sent(1, 29);
  expect([progress.hasRoom, progress.isPaused]).toEqual([false, true]);
  progress.resume();
  progress.freeInflights();
  expect([progress.hasRoom, progress.isPaused]).toEqual([false, true]);
});

test("a new probe forgets what was under way", () => {
  const progress = newProgress();
  progress.maybeAdvance(10);
  progress.becomeReplicate();
  progress.sent(1, 99);
  progress.becomeProbe();
  progress.becomeReplicate();
  expect(progress.next).toBe(11);
  progress.sent(1, 99);
  expect(progress.isPaused).toBe(false);
});

test("a probe has room whatever its window; a refused one may be sent again at once", () => {
  const progress = newProgress();
  progress.sent(1, 1_000);
  expect([progress.hasRoom, progress.isPaused]).toEqual([true, true]);
  progress.maybeStepBack(10, 4);
  expect(progress.isPaused).toBe(false);
});

test("what a snapshot was to bring is forgotten once it has ended", () => {
  const progress = newProgress();
  progress.becomeSnapshot(20);
  progress.snapshotEnded(true);
  progress.becomeSnapshot(5);
  progress.snapshotEnded(true);
  expect(progress.next).toBe(6);
  progress.becomeProbe();
  expect(progress.next).toBe(1);
});

test("what is acknowledged before a snapshot arrived goes on from there", () => {
  const progress = newProgress();
  progress.becomeSnapshot(20);
  progress.snapshotEnded(true);
  progress.maybeAdvance(12);
  progress.becomeReplicate();
  expect(progress.next).toBe(13);
});
