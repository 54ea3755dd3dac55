import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RaftConfig } from "../../../src/model/objects.js";
import { type Host, ReplicaGroup, until } from "../../support/replica-group.js";

/** Three members whose raft settings are changed while they run, up and down. The tests are chapters of one story. */
describe("settings of the cluster's spec hold at once", () => {
  let group: ReplicaGroup;
  let written = 0;
  const leader = () => group.awaitLeader();

  beforeAll(async () => {
    group = await ReplicaGroup.create();
    const first = await group.found("a", { electionTick: 30 });
    await group.join("b");
    await group.join("c");
    await until(() => first.replica.members().filter((member) => member.isVoter).length === 3);
  });
  afterAll(() => group[Symbol.asyncDispose]());

  async function set(raft: Partial<RaftConfig>): Promise<void> {
    const host = await leader();
    await host.store.update((tx) => {
      const { cluster } = tx;
      if (cluster?.spec?.raft) tx.update("cluster", { ...cluster, spec: { ...cluster.spec, raft: { ...cluster.spec.raft, ...raft } } });
    });
    await until(() => [...group.hosts.values()].every((other) => other.store.revision >= host.store.revision));
  }

  async function write(count: number): Promise<void> {
    const host = await leader();
    for (let at = 0; at < count; at++) await host.write(`n${++written}`);
  }

  /** How long, in ms, the leader took for so many heartbeats to one follower. */
  async function heartbeatsMs(count: number): Promise<number> {
    const to = (await leader()).replica.members().find((member) => !member.isLeader)?.raftId;
    let [seen, begin] = [0, 0];
    group.network.filter = (message) => {
      if (message.type === "heartbeat" && message.to === to && ++seen === 1) begin = performance.now();
      return true;
    };
    await until(() => seen > count);
    group.network.filter = () => true;
    return performance.now() - begin;
  }

  test("the heartbeat", async () => {
    // A tick takes 10 ms on this clock, and longer on a busy machine.
    await set({ heartbeatTick: 20, electionTick: 200 });
    expect(await heartbeatsMs(4)).toBeGreaterThan(4 * 150);
    await set({ heartbeatTick: 1 });
    expect(await heartbeatsMs(50)).toBeLessThan(50 * 150);
  });

  test("the election timeout", async () => {
    // Nobody would stand for hours; then it is as short as before.
    await set({ electionTick: 1_000_000 });
    await set({ electionTick: 30 });
    const old = await leader();
    group.network.cut(old.address);
    const next = await group.awaitLeader(old);
    group.network.heal(old.address);
    await until(() => !old.isLeader);
    expect(next.isLeader).toBe(true);
  });

  const snapshots = async (host: Host) => (await readdir(join(host.directory, "snapshots"))).filter((name) => name.endsWith(".snapshot")).sort();

  test("the interval of snapshots", async () => {
    const host = await leader();
    const before = await snapshots(host);
    await write(30);
    expect(await snapshots(host)).toEqual(before);
    await set({ snapshotInterval: 20 });
    await write(1);
    let after = before;
    while (after.join() === before.join() || after.length > 1) after = await snapshots(host);
    await set({ snapshotInterval: 10_000 });
    after = await snapshots(host);
    await write(40);
    expect(await snapshots(host)).toEqual(after);
  });

  /** Whether a follower that misses 60 entries is sent a snapshot. */
  async function needsSnapshot(): Promise<boolean> {
    const host = await leader();
    const away = [...group.hosts.values()].find((other) => other !== host)!;
    const sent = group.network.snapshots.length;
    await away.stop();
    await write(60);
    const at = host.store.revision;
    const covered = async () => Number((await snapshots(host)).at(-1)?.split("-")[0]) > at - 20;
    while (!(await covered())) await write(1);
    await write(5);
    const back = await group.restart(away.name);
    await until(() => back.store.revision === host.store.revision);
    return group.network.snapshots.length > sent;
  }

  test("the tail for slow followers", async () => {
    await set({ snapshotInterval: 10, logEntriesForSlowFollowers: 200 });
    expect(await needsSnapshot()).toBe(false);
    await set({ logEntriesForSlowFollowers: 3 });
    expect(await needsSnapshot()).toBe(true);
    await set({ logEntriesForSlowFollowers: 200 });
    expect(await needsSnapshot()).toBe(false);
  });

  test("a follower whose snapshot takes its time holds nobody up", async () => {
    await set({ snapshotInterval: 10, logEntriesForSlowFollowers: 3 });
    const host = await leader();
    const slow = [...group.hosts.values()].find((other) => other !== host)!;
    await slow.stop();
    await write(60);
    let [isAsked, goOn]: [boolean, () => void] = [false, () => undefined];
    group.network.beforeSnapshot = () =>
      new Promise((resolve) => {
        isAsked = true;
        goOn = resolve;
      });
    const back = await group.restart(slow.name);
    await until(() => isAsked);
    const behind = back.store.revision;
    await write(100);
    expect(await leader()).toBe(host);
    expect(back.store.revision).toBe(behind);
    group.network.beforeSnapshot = async () => undefined;
    goOn();
    await until(() => back.store.revision === host.store.revision);
  });
});
