import { copyFile, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Entry } from "../../../src/raft/message.js";
import { DurableLog } from "../../../src/replica/durable-log.js";
import { type Tail, TailFile, type TailOpener } from "../../../src/replica/tail-file.js";
import { recordsOf } from "../../support/records.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-log-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

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

async function inLevel(change: (level: Level<string, Uint8Array>) => Promise<void>): Promise<void> {
  const level = new Level<string, Uint8Array>(join(directory, "log"), { valueEncoding: "view" });
  await change(level);
  await level.close();
}

async function inTail(position: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(join(directory, "tail"), "r+");
  await file.write(bytes, 0, bytes.length, position);
}

const SLOT_BYTES = 64 + 256 * 1024;
const tailSlot = (sequence: number) => (sequence % 2) * SLOT_BYTES;
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

describe("a crash between the two places is mended", () => {
  /** Runs one more write of which only one half reaches the disk. */
  async function crashDuring(half: "tail only" | "level only", bytes: number): Promise<void> {
    await made();
    if (half === "level only") {
      const tail = join(directory, "tail");
      await copyFile(tail, `${tail}.before`);
      {
        await using log = await openLog();
        await write(log, [entry(4, 1, bytes)]);
      }
      await copyFile(`${tail}.before`, tail);
      return;
    }
    {
      await using log = await openLog();
      await write(log, [entry(4, 1, bytes)]);
    }
    await copyFile(join(directory, "tail"), join(directory, "tail.after"));
    await rm(join(directory, "log"), { recursive: true });
    await rm(join(directory, "tail"));
    await made();
    await copyFile(join(directory, "tail.after"), join(directory, "tail"));
  }

  test.each([
    ["level only", 10],
    ["level only", 1_000_000],
    ["tail only", 10],
  ] as const)("%s, %i bytes", async (half, bytes) => {
    await crashDuring(half, bytes);
    await using log = await openLog();
    expect(stored(log)?.at(-1)).toEqual([4, 1]);
    await write(log, [entry(5)]);
    expect(log.storage.lastIndex()).toBe(5);
  });

  test("a torn write of the newer slot", async () => {
    await made();
    await inTail(tailSlot(4), new Uint8Array(100).fill(255));
    await using log = await openLog();
    expect(stored(log)?.length).toBe(2);
  });

  test("a torn write, and after the next start another one", async () => {
    await made();
    await inTail(tailSlot(3), new Uint8Array(100).fill(255));
    {
      await using log = await openLog();
      await write(log, [entry(4)]);
    }
    await inTail(tailSlot(4), new Uint8Array(100).fill(255));
    await using log = await openLog();
    expect(stored(log)?.length).toBe(3);
  });
});

describe("loss and damage are refused, and named", () => {
  test.each<[string, () => Promise<void>, { readonly key: string; readonly index: string }]>([
    ["the tail file is gone", () => rm(join(directory, "tail")), { key: "tail", index: "3" }],
    [
      "both slots are damaged",
      async () => {
        await inTail(tailSlot(2) + 70, Uint8Array.of(1, 2, 3));
        await inTail(tailSlot(3) + 70, Uint8Array.of(1, 2, 3));
      },
      { key: "tail", index: "0" },
    ],
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

  test("several writes that the database has lost", async () => {
    await made();
    {
      await using log = await openLog();
      for (const index of [4, 5, 6]) await write(log, [entry(index)]);
    }
    await copyFile(join(directory, "tail"), join(directory, "tail.after"));
    await rm(join(directory, "log"), { recursive: true });
    await rm(join(directory, "tail"));
    await made();
    await copyFile(join(directory, "tail.after"), join(directory, "tail"));
    await expect(openLog()).rejects.toMatchObject({ code: "failed_precondition", details: { key: "state", index: "6" } });
  });

  test("a large write that the database has lost after it was acknowledged", async () => {
    await made();
    {
      await using log = await openLog();
      await write(log, [entry(4, 1, 1_000_000)]);
    }
    await copyFile(join(directory, "tail"), join(directory, "tail.after"));
    await rm(join(directory, "log"), { recursive: true });
    await rm(join(directory, "tail"));
    await made();
    await copyFile(join(directory, "tail.after"), join(directory, "tail"));
    await expect(openLog()).rejects.toMatchObject({ code: "failed_precondition", details: { key: "state", index: "4" } });
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
  const openFailing: TailOpener = async (path, options) => {
    const tail = await TailFile.open(path, options);
    if (tail === null) return null;
    const failing: Tail = {
      bodyBytesMax: tail.bodyBytesMax,
      slots: () => tail.slots(),
      write: (sequence, body) => (fails ? Promise.reject(new Error("EIO: input/output error")) : tail.write(sequence, body)),
      [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose](),
    };
    return failing;
  };
  await using log = await openLog(openFailing);
  fails = true;
  await expect(write(log, [entry(4)])).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("EIO") });
  fails = false;
  expect(() => write(log, [entry(4)])).toThrow("EIO");
  expect(log.storage.lastIndex()).toBe(3);
});
