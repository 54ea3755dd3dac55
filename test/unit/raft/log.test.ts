import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY_CONFIG } from "../../../src/raft/config-change.js";
import { RaftLog } from "../../../src/raft/log.js";
import type { Entry } from "../../../src/raft/message.js";
import { MemoryDisk } from "./memory-disk.js";

const entry = (index: number, term: number, bytes = 1): Entry => ({ index, term, type: "normal", data: new Uint8Array(bytes) });
const entries = (first: number, ...terms: number[]): Entry[] => terms.map((term, position) => entry(first + position, term));
const emptyDisk = () => new MemoryDisk({ term: 0, vote: 0, commit: 0 }, null);
const newLog = (disk = emptyDisk()) => new RaftLog(disk, { commit: 0, applied: 0 });

/** What a driver does with a Ready. */
function persist(log: RaftLog, disk: MemoryDisk): void {
  const ready = {
    hardState: null,
    mustSync: true,
    entries: [...log.unstableEntries],
    snapshot: log.unstableSnapshot,
    messages: [],
    messagesAfterPersist: [],
    committed: [],
    readStates: [],
  };
  disk.begin(ready, null);
  disk.complete();
  log.persisted(ready.snapshot, ready.entries);
}

describe("a follower's append", () => {
  // The log holds 1/1 2/2 3/2, of which 1 is committed.
  test.each([
    ["continues it", { index: 3, term: 2 }, entries(4, 3), 4, [1, 2, 2, 3]],
    ["is refused past its end", { index: 4, term: 2 }, entries(5, 3), undefined, [1, 2, 2]],
    ["is refused where terms differ", { index: 3, term: 1 }, entries(4, 3), undefined, [1, 2, 2]],
    ["overwrites what conflicts", { index: 1, term: 1 }, entries(2, 3), 2, [1, 3]],
    ["overwrites from the first conflict only", { index: 1, term: 1 }, entries(2, 2, 3), 3, [1, 2, 3]],
    ["that came late does not cut what followed it", { index: 1, term: 1 }, entries(2, 2), 2, [1, 2, 2]],
    ["without entries says where it agrees", { index: 2, term: 2 }, [], 2, [1, 2, 2]],
  ] as const)("%s", (_name, after, news, last, terms) => {
    const log = newLog();
    log.append(entries(1, 1, 2, 2));
    log.commitTo(1);
    expect(log.maybeAppend(after, news, 1)).toBe(last);
    expect(terms.map((_term, position) => log.term(position + 1))).toEqual(terms);
    expect(log.lastIndex).toBe(terms.length);
  });

  test("commits no further than it is known to agree", () => {
    const log = newLog();
    log.append(entries(1, 1, 1, 1));
    log.maybeAppend({ index: 1, term: 1 }, entries(2, 1), 9);
    expect(log.commit).toBe(2);
  });

  test("that would overwrite what is committed is a broken invariant", () => {
    const log = newLog();
    log.append(entries(1, 1, 1));
    log.commitTo(2);
    expect(() => log.maybeAppend({ index: 1, term: 1 }, entries(2, 2), 2)).toThrow(/does not overwrite the committed/);
  });
});

test("a commit past the end is a broken invariant", () => {
  expect(() => newLog().commitTo(1)).toThrow(/commit 1 is within the log/);
});

test("applied does not pass what was handed out", () => {
  const log = newLog();
  log.append(entries(1, 1, 1));
  log.commitTo(2);
  expect(() => log.appliedTo(1)).toThrow(/handed out/);
  expect(log.takeCommitted().map(({ index }) => index)).toEqual([1, 2]);
  log.appliedTo(2);
  expect([log.applied, log.hasCommitted]).toEqual([2, false]);
});

test("entries replaced while their write was under way stay unstable when it is done, and those before them do not", () => {
  const disk = emptyDisk();
  const log = newLog(disk);
  log.append(entries(1, 1, 1, 1));
  const written = [...log.unstableEntries];
  log.maybeAppend({ index: 1, term: 1 }, entries(2, 2), 0);
  log.persisted(null, written);
  expect(log.unstableEntries.map(({ index, term }) => `${index}/${term}`)).toEqual(["2/2"]);
});

test("a start after a crash takes what was applied as committed", () => {
  const disk = new MemoryDisk(
    { term: 3, vote: 0, commit: 4 },
    { meta: { index: 7, term: 2, config: EMPTY_CONFIG }, state: { index: 7, digest: 0, registers: new Map() } },
  );
  const log = new RaftLog(disk, { commit: 4, applied: 7 });
  expect([log.commit, log.lastIndex, log.firstIndex]).toEqual([7, 7, 8]);
});

test("a restored snapshot replaces everything, and what follows it continues from there", () => {
  const log = newLog();
  log.append(entries(1, 1, 1));
  log.restore({ index: 10, term: 4, config: EMPTY_CONFIG });
  expect([log.firstIndex, log.lastIndex, log.commit, log.term(10), log.term(2)]).toEqual([11, 10, 10, 4, undefined]);
  expect(log.maybeAppend({ index: 10, term: 4 }, entries(11, 5), 11)).toBe(11);
  expect(log.takeCommitted().map(({ index }) => index)).toEqual([11]);
});

test("entries come from storage and the unstable tail as one, limited by bytes but never none", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), fc.integer({ min: 0, max: 40 }), (bytes, storedSeed, lowSeed, bytesMax) => {
      const all = bytes.map((size, position) => entry(position + 1, 1, size));
      const disk = emptyDisk();
      const log = newLog(disk);
      log.append(all.slice(0, storedSeed % (all.length + 1)));
      persist(log, disk);
      log.append(all.slice(storedSeed % (all.length + 1)));
      const low = 1 + (lowSeed % all.length);
      const got = log.entries(low, all.length + 1, bytesMax) ?? [];
      expect(got).toEqual(all.slice(low - 1, low - 1 + got.length));
      const total = (count: number) => all.slice(low - 1, low - 1 + count).reduce((sum, { data }) => sum + data.length, 0);
      expect(got.length).toBeGreaterThan(0);
      expect(got.length === 1 || total(got.length) <= bytesMax).toBe(true);
      expect(low + got.length > all.length || total(got.length + 1) > bytesMax).toBe(true);
    }),
  );
});

test.each([
  [{ index: 3, term: 2 }, true],
  [{ index: 9, term: 2 }, true],
  [{ index: 1, term: 3 }, true],
  [{ index: 2, term: 2 }, false],
  [{ index: 9, term: 1 }, false],
])("a candidate whose log ends at %o may have a vote: %s", (position, expected) => {
  const log = newLog();
  log.append(entries(1, 1, 2, 2));
  expect(log.isUpToDate(position)).toBe(expected);
});

test.each([
  [6, 3, { index: 6, term: 3 }],
  [6, 2, { index: 3, term: 1 }],
  [6, 0, { index: 0, term: 0 }],
])("the logs can agree up to %i of term %i at most: %o", (index, term, expected) => {
  const log = newLog();
  log.append(entries(1, 1, 1, 1, 3, 3, 3));
  expect(log.agreementBound(index, term)).toEqual(expected);
});

test("entries that go on from the stored ones to those that are not leave none out, wherever the bytes end", () => {
  const disk = emptyDisk();
  const log = newLog(disk);
  log.append([entry(1, 1, 10), entry(2, 1, 50), entry(3, 1, 10)]);
  persist(log, disk);
  log.append([entry(4, 1, 10), entry(5, 1, 10)]);
  const taken = (bytesMax: number) => log.entries(1, 6, bytesMax)?.map(({ index }) => index);
  expect([taken(30), taken(60), taken(79), taken(80), taken(90)]).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5]]);
});

test("where the logs can agree is not known of what is compacted", () => {
  const disk = emptyDisk();
  const log = newLog(disk);
  log.append(entries(1, 1, 1, 3, 3));
  persist(log, disk);
  disk.compact({ meta: { index: 3, term: 3, config: EMPTY_CONFIG }, state: { index: 3, digest: 0, registers: new Map() } }, 0);
  expect(log.agreementBound(4, 2)).toEqual({ index: 2, term: 0 });
});

test("what is applied does not come undone", () => {
  const log = newLog();
  log.append(entries(1, 1, 1, 1));
  log.commitTo(3);
  log.takeCommitted();
  for (const index of [3, 2]) log.appliedTo(index);
  expect(log.applied).toBe(3);
});
