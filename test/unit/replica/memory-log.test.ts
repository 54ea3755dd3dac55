import { expect, test } from "vitest";
import type { Entry } from "../../../src/raft/message.js";
import { MemoryLog } from "../../../src/replica/memory-log.js";

const link = new Uint8Array(16);
const linked = (index: number, bytes = 10, term = 1) => ({ entry: { index, term, type: "normal", data: new Uint8Array(bytes) } satisfies Entry, link });
const newLog = (indexes: readonly number[]) =>
  new MemoryLog({ hardState: { term: 1, vote: 0, commit: 1 }, compacted: { index: 1, term: 1, link }, entries: indexes.map((index) => linked(index)) });
const indexesOf = (entries: readonly Entry[] | undefined) => entries?.map(({ index }) => index);

test("hands out at least one entry, and no more bytes than asked for beyond it", () => {
  const log = newLog([2, 3, 4, 5]);
  expect(indexesOf(log.entries(2, 6, 1000))).toEqual([2, 3, 4, 5]);
  expect(indexesOf(log.entries(3, 6, 25))).toEqual([3, 4]);
  expect(indexesOf(log.entries(3, 5, 0))).toEqual([3]);
  expect(log.entries(1, 3, 1000)).toBeUndefined();
});

test("knows terms from the last compacted entry to the last one", () => {
  const log = newLog([2, 3]);
  expect([0, 1, 3, 4].map((index) => log.term(index))).toEqual([undefined, 1, 1, undefined]);
});

test("counts its bytes through appends, conflicts and compaction", () => {
  const log = newLog([2, 3, 4]);
  expect(log.dataBytes).toBe(30);
  log.append([linked(4, 5, 2), linked(5, 5, 2)]);
  expect([log.dataBytes, log.lastIndex(), log.term(4)]).toEqual([30, 5, 2]);
  log.compact(3);
  expect([log.dataBytes, log.firstIndex(), log.term(3), log.term(2)]).toEqual([10, 4, 1, undefined]);
  log.reset({ index: 9, term: 3, link });
  expect([log.dataBytes, log.firstIndex(), log.lastIndex(), log.term(9)]).toEqual([0, 10, 9, 3]);
});

test("refuses a gap", () => {
  expect(() => newLog([2]).append([linked(4)])).toThrow("no gap");
});

test.each([
  [{ entries: 2, bytes: 1000 }, 4],
  [{ entries: 0, bytes: 1000 }, 6],
  [{ entries: 100, bytes: 1000 }, 1],
  [{ entries: 100, bytes: 25 }, 4],
  [{ entries: 100, bytes: 5 }, 6],
  [{ entries: 1, bytes: 1000, after: 3 }, 3],
  [{ entries: 4, bytes: 1000, after: 3 }, 2],
  [{ entries: 1, bytes: 25, after: 1 }, 4],
  [{ entries: 1, bytes: 1000, after: 0 }, 1],
])("keeps before a snapshot at 6 %o: compacts to %i", (keep, target) => {
  expect(newLog([2, 3, 4, 5, 6, 7, 8]).compactionBefore(6, { after: Number.POSITIVE_INFINITY, ...keep })).toBe(target);
});
