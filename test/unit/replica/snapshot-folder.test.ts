import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { StoreObject } from "../../../src/model/objects.js";
import type { SnapshotMeta } from "../../../src/raft/message.js";
import { SnapshotFolder } from "../../../src/replica/snapshot-folder.js";
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
  await expect(folder.write({ meta: meta(9), members }, objects, AbortSignal.abort())).rejects.toThrow();
  expect(await readdir(directory)).toEqual([]);
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
    const { chunks, totalBytes, close } = await folder.send(meta(9));
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
  ])("%s is refused, and leaves nothing", async (_title, chunks, claimed) => {
    const { bytes } = await travelling();
    await expect((await other()).receive(claimed, chunks(bytes))).rejects.toBeDefined();
    expect(await readdir(join(directory, "other"))).toEqual([]);
  });
});
