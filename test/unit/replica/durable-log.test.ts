import { copyFile, cp, mkdir, mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Entry } from "../../../src/raft/message.js";
import { defined } from "../../../src/base/assert.js";
import { DurableLog } from "../../../src/replica/durable-log.js";
import { TailFile, type TailOpener } from "../../../src/replica/tail-file.js";
import { recordsOf } from "../../support/records.js";
import { tailsWriting } from "../../support/tails.js";

let root: string;
let directory: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "store-log-"));
  directory = join(root, "first");
  await mkdir(directory);
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A tail file that three records fill. */
const openSmall: TailOpener = (path, options) => TailFile.open(path, { ...options, sizes: { bytes: 3 * 2048, blockBytes: 512, sealedBytesMax: 1000 } });
const openLog = (openTail: TailOpener = TailFile.open) => DurableLog.open({ directory, codec: recordsOf("a"), openTail });
const entry = (index: number, term = 1, bytes = 10): Entry => ({ index, term, type: "normal", data: new Uint8Array(bytes).fill(index) });
const write = (log: DurableLog, entries: readonly Entry[], hardState = { term: 1, vote: 7, commit: 1 }) =>
  log.append({ hardState, mustSync: true, entries, snapshot: null });
const stored = (log: DurableLog) =>
  log.storage.entries(log.storage.firstIndex(), log.storage.lastIndex() + 1, Number.MAX_SAFE_INTEGER)?.map(({ index, term }) => [index, term]);

/** A log with entries 2 and 3 in two writes (the third and last write is sequence 3), closed. */
async function made(openTail?: TailOpener): Promise<void> {
  await using log = await openLog(openTail);
  await log.create({ raftId: 7, hardState: { term: 1, vote: 0, commit: 1 }, snapshot: { index: 1, term: 1, config: null }, seeds: [] });
  await write(log, [entry(2)]);
  await write(log, [entry(3)]);
}

/** Opens the log, works with it, and leaves its folder as a process leaves it that is killed then. */
async function untilKilled(work: (log: DurableLog) => Promise<void>, openTail?: TailOpener): Promise<void> {
  const copy = join(root, `after-${directory.length}`);
  {
    await using log = await openLog(openTail);
    await work(log);
    await cp(directory, copy, { recursive: true });
  }
  directory = copy;
}

async function writeEntries(log: DurableLog, first: number, last: number): Promise<void> {
  for (let index = first; index <= last; index++) await write(log, [entry(index)]);
}

const indexesIn = (log: DurableLog) => (stored(log) ?? []).map(([index]) => index);
const upTo = (last: number) => Array.from({ length: last - 1 }, (_, at) => at + 2);

async function inLevel(change: (level: Level<string, Uint8Array>) => Promise<void>): Promise<void> {
  const level = new Level<string, Uint8Array>(join(directory, "log"), { valueEncoding: "view", compression: false });
  await change(level);
  await level.close();
}

async function inTail(position: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(join(directory, "tail"), "r+");
  await file.write(bytes, 0, bytes.length, position);
}

/** Where the copies of a write's record lie in the tail file. */
async function copiesOf(sequence: number): Promise<readonly number[]> {
  await using tail = defined(await TailFile.open(join(directory, "tail"), { create: false }), "there is a tail file");
  return (await tail.records()).filter((record) => record.sequence === sequence).map(({ start }) => start);
}

const TEAR = new Uint8Array(100).fill(255);

const keyOf = (index: number) => `entry/${String(index).padStart(16, "0")}`;

describe("what was written is found again", () => {
  test("a new folder holds nothing", async () => {
    await using log = await openLog();
    expect(log.state).toBeNull();
  });

  test("entries, hard state and identity", async () => {
    await made();
    await using log = await openLog();
    expect(log.state).toMatchObject({ raftId: 7, term: 1, vote: 7, sequence: 3 });
    expect(stored(log)).toEqual([
      [2, 1],
      [3, 1],
    ]);
    expect(log.storage.term(1)).toBe(1);
  });

  test("entries of a new leader take the place of others, also of a longer log", async () => {
    await made();
    {
      await using log = await openLog();
      await write(log, [entry(4), entry(5)]);
      await write(log, [entry(3, 2)], { term: 2, vote: 0, commit: 2 });
    }
    await using log = await openLog();
    expect(stored(log)).toEqual([
      [2, 1],
      [3, 2],
    ]);
    await write(log, [entry(4, 2)], { term: 2, vote: 0, commit: 2 });
    expect(log.storage.lastIndex()).toBe(4);
  });

  test("a received snapshot replaces the log", async () => {
    await made();
    {
      await using log = await openLog();
      await log.append({ hardState: { term: 3, vote: 0, commit: 50 }, mustSync: true, entries: [], snapshot: { index: 50, term: 3, config: null } });
      await write(log, [entry(51, 3)], { term: 3, vote: 0, commit: 50 });
    }
    await using log = await openLog();
    expect([log.storage.firstIndex(), log.storage.lastIndex(), log.storage.term(50)]).toEqual([51, 51, 3]);
  });

  test("compacted entries are gone, those kept are whole", async () => {
    await made();
    {
      await using log = await openLog();
      log.compact(2);
      await log.flush();
    }
    await using log = await openLog();
    expect(stored(log)).toEqual([[3, 1]]);
    await inLevelAfterClose(log, async (level) => {
      expect(await level.keys().all()).toEqual([keyOf(3), "state"]);
    });
  });

  test("a commit alone is not waited for, and noted by flush", async () => {
    await made();
    {
      await using log = await openLog();
      expect(log.append({ hardState: { term: 1, vote: 7, commit: 3 }, mustSync: false, entries: [], snapshot: null })).toBeNull();
      await log.flush();
    }
    await using log = await openLog();
    expect(log.storage.initialState().hardState).toEqual({ term: 1, vote: 7, commit: 3 });
  });

  test("a commit that must not be lost is durable at once", async () => {
    await made();
    {
      await using log = await openLog();
      await log.append({ hardState: { term: 1, vote: 7, commit: 3 }, mustSync: true, entries: [], snapshot: null });
    }
    await using log = await openLog();
    expect(log.storage.initialState().hardState).toEqual({ term: 1, vote: 7, commit: 3 });
  });

  test("a batch that is too large for the tail file is durable too", async () => {
    await made();
    {
      await using log = await openLog();
      await write(log, [entry(4, 1, 1_000_000)]);
    }
    await using log = await openLog();
    expect(log.storage.entries(4, 5, 1)?.[0]?.data.length).toBe(1_000_000);
  });
});

async function inLevelAfterClose(log: DurableLog, look: (level: Level<string, Uint8Array>) => Promise<void>): Promise<void> {
  await log[Symbol.asyncDispose]();
  await inLevel(look);
}

describe("what only the tail file has", () => {
  test("is found again after a kill, and after the next one", async () => {
    await made();
    await untilKilled((log) => writeEntries(log, 4, 5));
    await untilKilled(async (log) => {
      expect(indexesIn(log)).toEqual(upTo(5));
      await writeEntries(log, 6, 6);
    });
    await using log = await openLog();
    expect(indexesIn(log)).toEqual(upTo(6));
    expect(log.state).toMatchObject({ raftId: 7, term: 1, vote: 7, sequence: 6 });
  });

  test("is what took the place of other entries", async () => {
    await made();
    await untilKilled(async (log) => {
      await writeEntries(log, 4, 6);
      await write(log, [entry(3, 2)], { term: 2, vote: 0, commit: 2 });
      await write(log, [entry(4, 2)], { term: 2, vote: 0, commit: 2 });
    });
    await using log = await openLog();
    expect(stored(log)).toEqual([
      [2, 1],
      [3, 2],
      [4, 2],
    ]);
  });

  test("goes to the database when the file is full, again and again, beside writes that are too large for it", async () => {
    await made(openSmall);
    await untilKilled(async (log) => {
      await writeEntries(log, 4, 40);
      await write(log, [entry(41, 1, 5_000)]);
      await writeEntries(log, 42, 60);
    }, openSmall);
    await using log = await openLog(openSmall);
    expect(indexesIn(log)).toEqual(upTo(60));
  });

  test("goes to the database beside other writes", async () => {
    await made();
    await untilKilled((log) => writeEntries(log, 4, 400));
    await inLevel(async (level) => expect((await level.keys().all()).length).toBeGreaterThan(200));
    await using log = await openLog();
    expect(indexesIn(log)).toEqual(upTo(400));
  });

  test("does not come back when a snapshot has taken its place", async () => {
    await made();
    await untilKilled(async (log) => {
      await writeEntries(log, 4, 6);
      await log.append({ hardState: { term: 3, vote: 0, commit: 50 }, mustSync: true, entries: [], snapshot: { index: 50, term: 3, config: null } });
      await write(log, [entry(51, 3)], { term: 3, vote: 0, commit: 50 });
    });
    await using log = await openLog();
    expect([log.storage.firstIndex(), log.storage.lastIndex(), log.storage.term(50)]).toEqual([51, 51, 3]);
  });

  test("does not need both of its copies", async () => {
    for (const copy of [0, 1]) {
      await rm(root, { recursive: true });
      await mkdir(directory, { recursive: true });
      await made();
      await untilKilled((log) => writeEntries(log, 4, 5));
      await inTail((await copiesOf(5))[copy] ?? -1, TEAR);
      await using log = await openLog();
      expect(indexesIn(log)).toEqual(upTo(5));
    }
  });
});

test("a snapshot and the entries after it are one write", async () => {
  await made();
  {
    await using log = await openLog();
    await log.append({ hardState: { term: 2, vote: 0, commit: 9 }, mustSync: true, entries: [entry(10, 2)], snapshot: { index: 9, term: 2, config: null } });
    expect(stored(log)).toEqual([[10, 2]]);
  }
  await using log = await openLog();
  expect([stored(log), log.storage.term(9)]).toEqual([[[10, 2]], 2]);
});

test("the newest record of the tail file is written again at each start, since what was read of it may be in memory alone", async () => {
  await made();
  const written: number[] = [];
  const openTail = tailsWriting((tail, sequence, sealed) => {
    written.push(sequence);
    return tail.write(sequence, sealed);
  });
  await using _log = await openLog(openTail);
  expect(written).toEqual([3]);
});

describe("a crash in the middle of a write is mended", () => {
  test.each([10, 1_000_000])("%i bytes that only the database has", async (bytes) => {
    await made();
    const tail = join(directory, "tail");
    await copyFile(tail, `${tail}.before`);
    {
      await using log = await openLog();
      await write(log, [entry(4, 1, bytes)]);
    }
    await copyFile(`${tail}.before`, tail);
    await using log = await openLog();
    expect(stored(log)?.at(-1)).toEqual([4, 1]);
    await write(log, [entry(5)]);
    expect(log.storage.lastIndex()).toBe(5);
  });

  test("a torn record, and after the next start another one", async () => {
    await made();
    for (let start = 0; start < 2; start++) {
      await untilKilled((log) => writeEntries(log, 4 + start, 5 + start));
      for (const copy of await copiesOf(5 + start)) await inTail(copy + 50, TEAR);
    }
    await using log = await openLog();
    expect(indexesIn(log)).toEqual(upTo(5));
    await write(log, [entry(6, 2)]);
    expect(stored(log)?.at(-1)).toEqual([6, 2]);
  });

  test("a torn record of a log that was to be made", async () => {
    await using _none = await openLog();
    await _none[Symbol.asyncDispose]();
    await inTail(0, TEAR);
    await using log = await openLog();
    expect(log.state).toBeNull();
  });
});

describe("loss and damage are refused, and named", () => {
  test.each<[string, () => Promise<void>, { readonly key: string; readonly index: string }]>([
    ["the tail file is gone", () => rm(join(directory, "tail")), { key: "tail", index: "3" }],
    ["the tail file is empty", () => inTail(0, new Uint8Array(4 * 1024 * 1024)), { key: "tail", index: "3" }],
    ["the tail file is cut short", () => truncate(join(directory, "tail"), 1_000_000), { key: "tail", index: "0" }],
    ["the database is gone", () => rm(join(directory, "log"), { recursive: true }), { key: "log", index: "3" }],
    ["an entry is gone", () => inLevel((level) => level.del(keyOf(2))), { key: keyOf(2), index: "2" }],
    ["the last entry is gone", () => inLevel((level) => level.del(keyOf(3))), { key: keyOf(3), index: "3" }],
    ["an entry is damaged", () => inLevel((level) => level.put(keyOf(2), new Uint8Array(40))), { key: keyOf(2), index: "2" }],
    [
      "an entry stands in for another",
      () => inLevel(async (level) => level.put(keyOf(2), (await level.get(keyOf(3))) ?? new Uint8Array(0))),
      { key: keyOf(2), index: "2" },
    ],
    ["the state is damaged", () => inLevel((level) => level.put("state", Buffer.from("{}"))), { key: "state", index: "0" }],
  ])("%s", async (_title, damage, place) => {
    await made();
    await damage();
    const refusal = openLog();
    await expect(refusal).rejects.toMatchObject({ code: "failed_precondition", details: { directory, ...place } });
    await expect(refusal).rejects.toThrow(directory);
  });

  /** The tail file of a log that went on after `made`, beside the database as it was before. */
  async function databaseLosing(work: (log: DurableLog) => Promise<void>, openTail?: TailOpener): Promise<void> {
    await made(openTail);
    {
      await using log = await openLog(openTail);
      await work(log);
    }
    await copyFile(join(directory, "tail"), join(directory, "tail.after"));
    await rm(join(directory, "log"), { recursive: true });
    await rm(join(directory, "tail"));
    await made(openTail);
    await copyFile(join(directory, "tail.after"), join(directory, "tail"));
  }

  test("writes that the database has lost, and the tail file has not any more", async () => {
    await databaseLosing((log) => writeEntries(log, 4, 40), openSmall);
    await expect(openLog(openSmall)).rejects.toMatchObject({ code: "failed_precondition", details: { key: "state", index: "40" } });
  });

  test("but not while the tail file has them", async () => {
    await databaseLosing((log) => writeEntries(log, 4, 6));
    await using log = await openLog();
    expect(indexesIn(log)).toEqual(upTo(6));
  });

  test("a write in the middle that neither has", async () => {
    await made();
    await untilKilled((log) => writeEntries(log, 4, 6));
    for (const copy of await copiesOf(5)) await inTail(copy + 50, TEAR);
    await expect(openLog()).rejects.toMatchObject({ code: "failed_precondition", details: { key: "state", index: "6" } });
  });

  test("a large write that the database has lost after it was acknowledged", async () => {
    await databaseLosing((log) => write(log, [entry(4, 1, 1_000_000)]) ?? Promise.resolve());
    await expect(openLog()).rejects.toMatchObject({ code: "failed_precondition", details: { key: "state", index: "4" } });
  });

  test.each<[string, readonly Entry[], number, string]>([
    ["another one that follows it does not fit", [entry(2, 2), entry(3, 2)], 2, "its checksum does not match"],
    ["it is not the end of the log", [entry(3, 2)], 3, "its checksum is not that of the end of the log"],
  ])("an entry that was replaced is back: %s", async (_title, replacing, replaced, what) => {
    await made();
    let before: Uint8Array | undefined;
    await inLevel(async (level) => {
      before = await level.get(keyOf(replaced));
    });
    {
      await using log = await openLog();
      await write(log, replacing, { term: 2, vote: 7, commit: 1 });
    }
    await inLevel((level) => level.put(keyOf(replaced), defined(before, "the entry was there")));
    await expect(openLog()).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(what),
      details: { key: keyOf(3), index: "3" },
    });
  });

  test.each<[string, readonly Entry[], { readonly term: number; readonly vote: number }]>([
    ["vote", [entry(4)], { term: 2, vote: 8 }],
    ["term", [entry(4)], { term: 3, vote: 7 }],
    ["entry", [entry(4, 1, 11)], { term: 2, vote: 7 }],
  ])("the tail file is of a copy that went its own way with another %s", async (_title, entries, { term, vote }) => {
    await made();
    const copy = join(root, "copy");
    await cp(directory, copy, { recursive: true });
    {
      await using log = await openLog();
      await write(log, [entry(4)], { term: 2, vote: 7, commit: 1 });
    }
    const tail = join(directory, "tail");
    directory = copy;
    {
      await using log = await openLog();
      await write(log, entries, { term, vote, commit: 1 });
    }
    await copyFile(tail, join(directory, "tail"));
    await expect(openLog()).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("it differs from the tail file"),
      details: { key: "state", index: "4" },
    });
  });

  test("a tail file of long ago", async () => {
    await made();
    await copyFile(join(directory, "tail"), join(directory, "tail.before"));
    {
      await using log = await openLog();
      for (const index of [4, 5]) await write(log, [entry(index)]);
    }
    await copyFile(join(directory, "tail.before"), join(directory, "tail"));
    await expect(openLog()).rejects.toMatchObject({ code: "failed_precondition", details: { key: "tail", index: "5" } });
  });
});

test("after one failed write nothing is written any more", async () => {
  await made();
  let fails = false;
  const openFailing = tailsWriting((tail, sequence, sealed) => (fails ? Promise.reject(new Error("EIO: input/output error")) : tail.write(sequence, sealed)));
  await using log = await openLog(openFailing);
  fails = true;
  await expect(write(log, [entry(4)])).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("EIO") });
  fails = false;
  expect(() => write(log, [entry(4)])).toThrow("EIO");
  expect(log.storage.lastIndex()).toBe(3);
});
