import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Entry } from "../../../src/raft/message.js";
import { ENTRY_BYTES_MAX } from "../../../src/replica/proposals.js";
import { SnapshotFolder } from "../../../src/replica/snapshot-folder.js";
import { longestTurnMs } from "../../support/longest-turn.js";
import { recordsOf } from "../../support/records.js";
import { type Host, ReplicaGroup, until } from "../../support/replica-group.js";
import { stateDigest } from "../../support/state-digest.js";
import { assignedTask } from "../../support/tasks.js";

const TASKS = 100_000;
/** The target is 50 ms; a machine that is busy with other tests stretches each turn, and all at once would be a second. */
const TURN_MS_MAX = 250;

test.each(["first", "last"])("the measure of turns sees that the %s one is blocked", async (which) => {
  const block = () => {
    for (const end = performance.now() + 60; performance.now() < end; );
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const blocked = await longestTurnMs(async () => {
    if (which === "first") block();
    await turn();
    await turn();
    if (which === "last") block();
  });
  expect(blocked).toBeGreaterThanOrEqual(60);
});

/** Two members, and a third one that comes late. The tests are chapters of one story. */
describe("100,000 tasks", () => {
  let group: ReplicaGroup;
  let first: Host;
  let largest = 0;
  const isCaughtUp = (host: Host) => host.store.revision === first.store.revision;
  const digest = (host: Host) => stateDigest(host.store.objects());

  beforeAll(async () => {
    group = await ReplicaGroup.create();
    // No elections: a member that is busy is no reason for one.
    first = await group.found("a", { electionTick: 100_000, snapshotInterval: 1_000_000, logEntriesForSlowFollowers: 10 });
    await group.join("b");
    await until(() => first.replica.members().every((member) => member.isVoter));
    group.network.filter = ({ entries }) => {
      for (const { data } of entries as readonly Entry[]) largest = Math.max(largest, data.length);
      return true;
    };
  });
  afterAll(() => group[Symbol.asyncDispose]());

  test("are created and changed in entries below the limit, and the follower has them all", async () => {
    const ids = Array.from({ length: TASKS }, (_, at) => `task-${at}`);
    await first.store.batch(ids, (tx, id) => tx.create("task", { ...assignedTask(id), meta: null, serviceId: `s${id.length}` }));
    await first.store.batch(ids, (tx, id) => {
      const task = tx.tasks.get(id);
      if (task !== undefined) tx.update("task", { ...task, desiredState: "shutdown" });
    });
    await until(() => isCaughtUp(group.host("b")));
    expect(first.store.view.tasks.size).toBe(TASKS);
    expect(largest).toBeGreaterThan(10_000);
    expect(largest).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
    expect(digest(group.host("b"))).toBe(digest(first));
  });

  test("beside them, objects up to the limit travel, and one above it harms nobody", async () => {
    const write = (id: string, bytes: number) =>
      first.store.update((tx) => tx.create("task", { ...assignedTask(id), meta: null, labels: { x: "y".repeat(bytes) } }) as undefined);
    const refused = write("above", ENTRY_BYTES_MAX);
    const others = [write("near", ENTRY_BYTES_MAX - 500), write("small", 10), write("near too", ENTRY_BYTES_MAX - 500)];
    await expect(refused).rejects.toMatchObject({
      code: "out_of_range",
      message: expect.stringMatching(/^a write of 15\d{5} bytes is larger than the limit of 1500000 bytes$/),
    });
    await Promise.all(others);
    await until(() => isCaughtUp(group.host("b")));
    expect(largest).toBeGreaterThan(ENTRY_BYTES_MAX - 500);
    expect(largest).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
    expect(digest(group.host("b"))).toBe(digest(first));
  });

  test("go into a snapshot while others are written, as of one moment, and the event loop turns meanwhile", async () => {
    const folder = await SnapshotFolder.open(`${group.root}/more`, recordsOf("a"));
    const turns: number[] = [];
    for (let attempt = 1; attempt <= 3 && !turns.some((turn) => turn < TURN_MS_MAX); attempt++) {
      const { applied, term } = first.replica.status();
      const [expected, meta] = [digest(first), { index: applied, term, config: null }];
      const objects = first.store.objects();
      let isWriting = true;
      const writes = (async () => {
        for (let at = 0; isWriting; at++) await first.write(`secret-${attempt}-${at}`);
      })();
      turns.push(await longestTurnMs(() => folder.write({ meta, members: [] }, objects)));
      isWriting = false;
      await writes;
      const read: Parameters<typeof stateDigest>[0][] = [[]];
      await folder.read(meta, (object) => void (read[0] as (typeof object)[]).push(object));
      expect(stateDigest(read[0]!)).toBe(expected);
      expect(digest(first)).not.toBe(expected);
    }
    expect(Math.min(...turns)).toBeLessThan(TURN_MS_MAX);
  });

  test("reach a member that comes late as a snapshot", async () => {
    const config = first.store.view.cluster?.spec?.raft;
    await first.store.update((tx) => {
      const { cluster } = tx;
      if (cluster?.spec && config) tx.update("cluster", { ...cluster, spec: { ...cluster.spec, raft: { ...config, snapshotInterval: 1 } } });
    });
    await first.write("one-more");
    const third = await group.join("c");
    await until(() => isCaughtUp(third) && third.store.view.tasks.size > TASKS);
    expect(group.network.snapshots.at(-1)?.[1]).toBe(third.address);
    expect(digest(third)).toBe(digest(first));
  });
});
