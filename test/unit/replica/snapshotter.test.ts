import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../src/base/log.js";
import { nextTurn } from "../../../src/base/next-turn.js";
import type { SnapshotMeta } from "../../../src/raft/message.js";
import { DurableLog } from "../../../src/replica/durable-log.js";
import { Membership } from "../../../src/replica/membership.js";
import { SnapshotFolder } from "../../../src/replica/snapshot-folder.js";
import { Snapshotter } from "../../../src/replica/snapshotter.js";
import { TailFile } from "../../../src/replica/tail-file.js";
import { recordsOf } from "../../support/records.js";

const INTERVAL = 30;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snapshotter-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const NOBODY = Number.POSITIVE_INFINITY;

/** Indexes at which a member of that phase writes snapshots, when entries up to `last` are applied one by one, and the first entry that is left of its log. */
async function snapshotsOf(phase: number, last: number, expectedOfAll = NOBODY) {
  await using log = await DurableLog.open({ directory, codec: recordsOf("a"), openTail: TailFile.open });
  await log.create({ raftId: 1, hardState: { term: 1, vote: 0, commit: 0 }, snapshot: null, seeds: [] });
  let applied = 0;
  const written: number[] = [];
  const jobs: (() => Promise<void>)[] = [];
  const config = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const snapshotter = new Snapshotter({
    machine: {
      snapshot: async (): Promise<SnapshotMeta> => {
        written.push(applied);
        return { index: applied, term: 1, config };
      },
    },
    log,
    folder: await SnapshotFolder.open(join(directory, "snapshots"), recordsOf("a")),
    logger: silentLogger,
    config: () => ({ snapshotInterval: INTERVAL, logEntriesForSlowFollowers: 5, keepOldSnapshots: 0, heartbeatTick: 0, electionTick: 0 }),
    phase: () => phase,
    expectedOfAll: () => expectedOfAll,
    exclusively: (job) => jobs.push(job),
  });
  while (applied < last) {
    const entry = { index: applied + 1, term: 1, type: "normal" as const, data: new Uint8Array(10) };
    await log.append({ hardState: null, mustSync: true, entries: [entry], snapshot: null });
    snapshotter.applied(++applied);
    if (written.at(-1) !== applied) continue;
    await nextTurn();
    await jobs.shift()?.();
    await nextTurn();
    expect(log.storage.snapshot()?.index).toBe(applied);
  }
  await snapshotter.stop();
  return { written, firstKept: log.storage.firstIndex() };
}

test.each([
  [0, [30, 60, 90]],
  [1 / 3, [10, 40, 70, 100]],
  [2 / 3, [20, 50, 80]],
])("with phase %f a snapshot is written at %o", async (phase, expected) => {
  expect((await snapshotsOf(phase, 100)).written).toEqual(expected);
});

test.each([
  ["nobody waits for it", NOBODY, 86],
  ["a follower that answers has less, or is being sent less", 40, 41],
  ["all have more", 88, 86],
])("of the log stays what followers need: %s", async (_who, expectedOfAll, firstKept) => {
  expect((await snapshotsOf(0, 100, expectedOfAll)).firstKept).toBe(firstKept);
});

test("voters have different phases, and nobody else needs one", () => {
  const membership = new Membership();
  expect(membership.phaseOf(4)).toBe(0);
  membership.reset([], { voters: [4, 7, 9, 12], learners: [5], votersOutgoing: [], learnersNext: [], autoLeave: false });
  expect([4, 7, 9, 12, 5].map((raftId) => membership.phaseOf(raftId))).toEqual([0, 0.25, 0.5, 0.75, 0]);
});
