import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../src/base/clock.js";
import type { StoreObject } from "../../../src/model/objects.js";
import type { SnapshotMeta } from "../../../src/raft/message.js";
import { SnapshotFolder } from "../../../src/replica/snapshot-folder.js";
import { NOTHING_RECEIVED, type SnapshotProgress } from "../../../src/replica/snapshot-frames.js";
import { recordsOf } from "../../support/records.js";

let directory: string;
let folder: SnapshotFolder;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-snapshots-"));
  folder = await SnapshotFolder.open(directory, recordsOf("a"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const meta = (index: number): SnapshotMeta => ({
  index,
  term: 2,
  config: { voters: [5], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
});
const members = [{ raftId: 5, nodeId: "n", address: "n:1" }];
const objects: readonly StoreObject[] = Array.from({ length: 500 }, (_, at) => ({
  type: "config",
  config: {
    id: `c${at}`,
    meta: { version: 1, revision: at, createdAtMs: 1, updatedAtMs: 2 },
    spec: { name: `c${at}`, labels: {}, data: new Uint8Array(500).fill(at), driver: null, templating: null },
  } as never,
}));
const read = async (index: number) => {
  const found: StoreObject[] = [];
  const title = await folder.read({ index, term: 2 }, (object) => found.push(object));
  return { title, ids: found.map((object) => (object.type === "config" ? object.config.id : "")) };
};
async function* chunksOf(bytes: Uint8Array, size = 1000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("what was written is read again", async () => {
  await folder.write({ meta: meta(9), members }, objects);
  const { title, ids } = await read(9);
  expect(title).toEqual({ meta: meta(9), members });
  expect(ids).toEqual(objects.map((_, at) => `c${at}`));
  expect(await readdir(directory)).toEqual(["0000000000000009-2.snapshot"]);
});

test("a stopped write leaves nothing", async () => {
  await expect(folder.write({ meta: meta(9), members }, objects, { clock: systemClock, signal: AbortSignal.abort() })).rejects.toThrow();
  expect(await readdir(directory)).toEqual([]);
});

test("after every portion it rests for twice as long as that took, and at least 2 ms at a time", async () => {
  let now = 0;
  const rests: number[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    sleep: async (delayMs) => {
      rests.push(delayMs);
      now += delayMs;
    },
  };
  function* slowly() {
    for (let round = 0; round < 4; round++) {
      for (const object of objects) {
        now += 0.005;
        yield object;
      }
    }
  }
  await folder.write({ meta: meta(9), members }, slowly(), { clock, signal: new AbortController().signal });
  expect(rests.length).toBeGreaterThan(4);
  expect(Math.min(...rests)).toBeGreaterThanOrEqual(2);
  const rested = rests.reduce((sum, rest) => sum + rest, 0);
  // Of the last portions it need not rest any more.
  expect(rested / (now - rested)).toBeGreaterThan(1.6);
  expect(rested / (now - rested)).toBeLessThanOrEqual(2);
});

test("it does not rest for the hours that the process, or its machine, was stopped", async () => {
  let now = 0;
  const rests: number[] = [];
  const clock: Clock = { ...systemClock, monotonic: () => now, sleep: async (delayMs) => void rests.push(delayMs) };
  function* stopped() {
    yield* objects;
    now += 8 * 3_600_000;
    yield* objects;
  }
  await folder.write({ meta: meta(9), members }, stopped(), { clock, signal: new AbortController().signal });
  expect(rests).toEqual([1_000]);
});

test("leftovers of a crash are removed", async () => {
  await writeFile(join(directory, "0000000000000009-2.snapshot.part"), "x");
  await SnapshotFolder.open(directory, recordsOf("a"));
  expect(await readdir(directory)).toEqual([]);
});

test("old ones go, as many as wanted stay", async () => {
  for (const index of [3, 5, 7, 9]) await folder.write({ meta: meta(index), members }, []);
  await folder.retain(meta(7), 1);
  expect((await folder.list()).map(({ index }) => index)).toEqual([9, 7, 5]);
});

describe("damage is noticed", () => {
  const path = () => folder.pathOf(meta(9));
  test.each<[string, (size: number) => Promise<void>]>([
    ["cut short", (size) => truncate(path(), size - 10)],
    ["without its last frame", (size) => truncate(path(), size - (4 + 16 + 1 + 3 + recordsOf("a").overheadBytes))],
    ["empty", () => truncate(path(), 0)],
    [
      "a changed byte",
      async (size) => {
        await using file = await open(path(), "r+");
        await file.write(Uint8Array.of(1, 2, 3), 0, 3, Math.floor(size / 2));
      },
    ],
    ["something behind the end", async () => writeFile(path(), await readFile(path()), { flag: "a" })],
  ])("%s", async (_title, damage) => {
    await folder.write({ meta: meta(9), members }, objects);
    await damage((await readFile(path())).length);
    await expect(read(9)).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(path()) });
  });
});

describe("from one member to another", () => {
  async function travelling(): Promise<{ readonly bytes: Buffer; readonly totalBytes: number }> {
    await folder.write({ meta: meta(9), members }, objects);
    const { after, close } = await folder.send(meta(9));
    const { chunks, totalBytes } = await after(NOTHING_RECEIVED);
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks()) parts.push(chunk);
    await close();
    return { bytes: Buffer.concat(parts), totalBytes };
  }
  const other = () => SnapshotFolder.open(join(directory, "other"), recordsOf("b"));

  test.each([1, 1000, 1_000_000])("it arrives, in chunks of %i bytes, and is sealed with the receiver's key", async (size) => {
    const { bytes, totalBytes } = await travelling();
    expect(bytes.length).toBe(totalBytes);
    const received = await other();
    await received.receive(meta(9), chunksOf(bytes, size));
    const found: StoreObject[] = [];
    expect(await received.read({ index: 9, term: 2 }, (object) => found.push(object))).toEqual({ meta: meta(9), members });
    expect(found.length).toBe(objects.length);
    const wrongKey = await SnapshotFolder.open(join(directory, "other"), recordsOf("a"));
    await expect(wrongKey.read({ index: 9, term: 2 }, () => undefined)).rejects.toThrow(/sealed with data key/);
  });

  test.each<[string, (bytes: Buffer) => AsyncIterable<Uint8Array>, SnapshotMeta]>([
    ["cut short", (bytes) => chunksOf(bytes.subarray(0, bytes.length - 1)), meta(9)],
    ["without its last frame", (bytes) => chunksOf(bytes.subarray(0, bytes.length - (4 + 16 + 1 + 3))), meta(9)],
    ["of another index", (bytes) => chunksOf(bytes), meta(10)],
    ["of another term", (bytes) => chunksOf(bytes), { ...meta(9), term: 3 }],
    ["nothing at all", () => chunksOf(new Uint8Array(0)), meta(9)],
  ])("%s is refused, and leaves nothing but what may come to its end yet", async (_title, chunks, claimed) => {
    const { bytes } = await travelling();
    await expect((await other()).receive(claimed, chunks(bytes))).rejects.toBeDefined();
    expect((await readdir(join(directory, "other"))).filter((name) => !name.endsWith(".part"))).toEqual([]);
  });
});

describe("a transfer that broke", () => {
  let receiver: SnapshotFolder;
  const partial = async () => (await readdir(join(directory, "other"))).filter((name) => name.endsWith(".part"));
  const ids = async (index = 9) => {
    const found: StoreObject[] = [];
    await receiver.read({ index, term: 2 }, (object) => found.push(object));
    return found.length;
  };
  beforeEach(async () => {
    await folder.write({ meta: meta(9), members }, objects);
    receiver = await SnapshotFolder.open(join(directory, "other"), recordsOf("b"));
  });

  const files: { readonly close: () => Promise<void> }[] = [];
  async function opened(index: number) {
    const file = await folder.send(meta(index));
    files.push(file);
    return file;
  }
  afterEach(async () => {
    for (const file of files.splice(0)) await file.close();
  });

  /** Sends what follows what the receiver says it has, but no more than so many bytes. */
  async function send(bytesMax = Number.POSITIVE_INFINITY, from = folder): Promise<{ readonly sent: number; readonly after: SnapshotProgress }> {
    const { after, close } = await from.send(meta(9));
    const rest = await after(receiver.received(meta(9)));
    let sent = 0;
    const cut = async function* () {
      for await (const chunk of rest.chunks()) {
        for (let at = 0; at < chunk.length; at += 1_000) {
          if (sent >= bytesMax) throw new Error("the connection broke");
          const part = chunk.subarray(at, at + 1_000);
          sent += part.length;
          yield part;
        }
      }
    };
    try {
      await receiver.receive(meta(9), cut(), rest.received);
      expect(sent).toBe(rest.totalBytes);
    } finally {
      await close();
    }
    return { sent, after: rest.received };
  }

  test("goes on where it ended, however often it breaks, and nothing travels twice but the frame that was cut", async () => {
    const { totalBytes } = await (await opened(9)).after(NOTHING_RECEIVED);
    const seen: number[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(send(80_000)).rejects.toThrow("the connection broke");
      seen.push(receiver.received(meta(9)).frames);
    }
    expect(seen[0]).toBeGreaterThan(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(new Set(seen).size).toBe(3);
    const { sent, after } = await send();
    expect(after.frames).toBe(seen[2]);
    expect(sent).toBeLessThan(totalBytes - 150_000);
    expect(await ids()).toBe(objects.length);
    expect(await partial()).toEqual([]);
    expect(receiver.received(meta(9))).toEqual(NOTHING_RECEIVED);
  });

  test("is begun anew for another snapshot, and nothing is left of it", async () => {
    await expect(send(80_000)).rejects.toThrow();
    expect((await partial()).length).toBe(1);
    expect(receiver.received(meta(10))).toEqual(NOTHING_RECEIVED);
    await folder.write({ meta: meta(10), members }, objects.slice(0, 3));
    const rest = await (await opened(10)).after(NOTHING_RECEIVED);
    await receiver.receive(meta(10), rest.chunks(), rest.received);
    expect(await ids(10)).toBe(3);
    expect(await partial()).toEqual([]);
  });

  test("is begun anew when another member sends one of the same place that is made otherwise", async () => {
    await expect(send(80_000)).rejects.toThrow();
    const other = await SnapshotFolder.open(join(directory, "third"), recordsOf("c"));
    await other.write({ meta: meta(9), members }, [...objects].reverse());
    const { after } = await send(undefined, other);
    expect(after).toEqual(NOTHING_RECEIVED);
    expect(await ids()).toBe(objects.length);
    expect(await partial()).toEqual([]);
  });

  test("is not continued by one who believes that something else is here", async () => {
    await expect(send(80_000)).rejects.toThrow();
    const { frames, digest } = receiver.received(meta(9));
    const rest = await (await opened(9)).after({ frames, digest });
    await expect(receiver.receive(meta(9), rest.chunks(), { frames: frames - 1, digest })).rejects.toMatchObject({ code: "aborted" });
    await expect(receiver.receive(meta(9), rest.chunks(), { frames, digest: new Uint8Array(16) })).rejects.toMatchObject({ code: "aborted" });
    expect(receiver.received(meta(9)).frames).toBe(frames);
  });

  test("whose connection is dead and not yet known to be adds nothing any more", async () => {
    const { chunks } = await (await opened(9)).after(NOTHING_RECEIVED);
    let goOn: () => void = () => undefined;
    const stalled = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const old = receiver.receive(
      meta(9),
      (async function* () {
        let passed = 0;
        for await (const chunk of chunks()) {
          if (++passed > 1) await stalled;
          yield chunk;
        }
      })(),
    );
    old.catch(() => undefined);
    while (receiver.received(meta(9)).frames < 1) await new Promise((resolve) => setImmediate(resolve));
    await send();
    goOn();
    await expect(old).rejects.toMatchObject({ code: "aborted" });
    expect(await ids()).toBe(objects.length);
    expect(await partial()).toEqual([]);
  });

  test("damaged on its way, it ends before the damage and goes on from there", async () => {
    const { chunks } = await (await opened(9)).after(NOTHING_RECEIVED);
    const damaged = async function* () {
      let at = 0;
      for await (const chunk of chunks()) {
        const copy = Buffer.from(chunk);
        if (at <= 100_000 && at + copy.length > 100_000) copy[100_000 - at]! ^= 1;
        at += copy.length;
        yield copy;
      }
    };
    await expect(receiver.receive(meta(9), damaged())).rejects.toMatchObject({ code: "invalid_argument" });
    expect((await send()).after.frames).toBeGreaterThan(0);
    expect(await ids()).toBe(objects.length);
  });

  test("is forgotten when a newer snapshot is in force, when the keys change, and by a restart", async () => {
    for (const forget of [() => receiver.retain(meta(9), 0), () => receiver.reseal(new AbortController().signal)]) {
      await expect(send(80_000)).rejects.toThrow();
      await forget();
      expect(receiver.received(meta(9))).toEqual(NOTHING_RECEIVED);
      expect(await partial()).toEqual([]);
    }
    await expect(send(80_000)).rejects.toThrow();
    receiver = await SnapshotFolder.open(join(directory, "other"), recordsOf("b"));
    expect(await partial()).toEqual([]);
  });
});
