import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import type { RecordPlace } from "../../../src/replica/record-codec.js";
import { SealedRecords } from "../../../src/replica/sealed-records.js";
import { MemoryNetwork } from "../../support/memory-network.js";
import { dataKeyOf, recordsOf } from "../../support/records.js";
import { Host, ReplicaGroup, setRaftConfig, until } from "../../support/replica-group.js";

/** Called after each write that makes something durable. */
const disk = vi.hoisted(() => ({ wrote: () => undefined as unknown }));
vi.mock("../../../src/base/durable-file.js", async (original) => {
  const real = await original<typeof import("../../../src/base/durable-file.js")>();
  const syncFolder: typeof real.syncFolder = async (path) => {
    await real.syncFolder(path);
    disk.wrote();
  };
  return { ...real, syncFolder };
});

const root = mkdtempSync(join(tmpdir(), "resealing-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ids = (count: number) => Array.from({ length: count }, (_, at) => `object-${at}`);

/** A member with snapshots, more entries than one portion, large ones, and one that `level` has not. */
async function memberWithHistory(group: ReplicaGroup, codec: SealedRecords): Promise<Host> {
  const a = await group.found("a", undefined, codec);
  await setRaftConfig(a, { snapshotInterval: 150, keepOldSnapshots: 2, logEntriesForSlowFollowers: 400 });
  for (const id of ids(320)) await a.write(id);
  await a.write("large", "x".repeat(300_000));
  // In the tail file alone when the key is rotated.
  await a.write("small");
  await until(() => readdirSync(join(a.directory, "snapshots")).filter((name) => name.endsWith(".snapshot")).length > 1);
  return a;
}

/** A member on a copy of the folder, as another start of the process finds it. */
async function holdsEverything(directory: string, generations: readonly number[]): Promise<boolean> {
  const trial = mkdtempSync(join(root, "trial-"));
  const host = new Host(new MemoryNetwork(), "a", trial);
  cpSync(directory, host.directory, { recursive: true });
  await host.open({ codec: recordsOf("a", generations) });
  host.run();
  try {
    await Promise.race([until(() => host.isLeader), host.running]);
    return [...ids(320), "large", "small"].every((id) => host.has(id));
  } finally {
    await host.stop();
    rmSync(trial, { recursive: true });
  }
}

/** Tells whenever it seals something of the log. */
class ToldRecords extends SealedRecords {
  told: (place: RecordPlace) => void = () => undefined;

  override seal(place: RecordPlace, plain: Uint8Array): Uint8Array {
    this.told(place);
    return super.seal(place, plain);
  }
}

test("whenever the machine stops in the middle of a rotation, both keys open everything; at its end the new one does, alone", async () => {
  await using group = await ReplicaGroup.create();
  const codec = new ToldRecords({ keys: [dataKeyOf("a")], clusterId: "cluster", nodeId: "a" });
  const a = await memberWithHistory(group, codec);
  const copies: string[] = [];
  const copy = () => {
    const path = join(root, `copy-${copies.length}`);
    cpSync(a.directory, path, { recursive: true });
    copies.push(path);
  };
  // Each snapshot that got its name, the portions of entries, each state.
  disk.wrote = copy;
  let sealed = 0;
  codec.told = ({ kind }) => (kind === "state" || sealed++ % 100 === 0) && copy();
  codec.rotate(dataKeyOf("a", 1));
  await a.replica.reseal(new AbortController().signal);
  disk.wrote = () => undefined;
  codec.told = () => undefined;
  copy();
  expect(copies.length).toBeGreaterThan(6);
  for (const [at, path] of copies.entries()) expect([at, await holdsEverything(path, [1, 0])]).toEqual([at, true]);
  const [first, last] = [copies[0] as string, copies.at(-1) as string];
  expect(await holdsEverything(last, [1])).toBe(true);
  for (const [path, generation] of [
    [last, 0],
    [first, 1],
  ] as const) {
    await expect(holdsEverything(path, [generation])).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/it is sealed with data key .*; put back the data key/),
    });
  }
});

test("writes go on during a rotation, and none is lost", async () => {
  await using group = await ReplicaGroup.create();
  const codec = recordsOf("a");
  const a = await memberWithHistory(group, codec);
  let isOver = false;
  codec.rotate(dataKeyOf("a", 1));
  const rotation = a.replica.reseal(new AbortController().signal).finally(() => {
    isOver = true;
  });
  let written = 0;
  while (!isOver) await a.write(`meanwhile-${written++}`);
  await rotation;
  expect(written).toBeGreaterThan(1);
  await a.stop();
  const again = new Host(new MemoryNetwork(), "a", group.root);
  await again.open({ codec: recordsOf("a", [1]) });
  again.run();
  await until(() => again.isLeader);
  expect([...ids(320), ...Array.from({ length: written }, (_, at) => `meanwhile-${at}`)].filter((id) => !again.has(id))).toEqual([]);
  await again.stop();
});

test("a rotation that is told to stop ends at once, and can begin again", async () => {
  await using group = await ReplicaGroup.create();
  const codec = recordsOf("a");
  const a = await memberWithHistory(group, codec);
  codec.rotate(dataKeyOf("a", 1));
  const stop = new AbortController();
  const cut = a.replica.reseal(stop.signal);
  stop.abort(new Error("enough"));
  await expect(cut).rejects.toThrow("enough");
  await a.replica.reseal(new AbortController().signal);
  await a.stop();
  expect(await holdsEverything(a.directory, [1])).toBe(true);
});
