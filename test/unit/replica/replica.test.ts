import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Host, ReplicaGroup, setRaftConfig, until, voters } from "../../support/replica-group.js";

const ids = (host: Host) => [...host.store.view.secrets.all()].map((secret) => secret.id).sort();
const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`);

describe("one member", () => {
  test("leads, commits and finds everything again", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    await a.write("one");
    await Promise.all(["two", "three", "four"].map((id) => a.write(id)));
    const objects = [...a.store.objects()];
    await a.stop();
    const again = await group.restart("a");
    await until(() => again.isLeader);
    expect([...again.store.objects()]).toEqual(objects);
    await again.write("five");
    expect(again.has("five")).toBe(true);
  });

  test("transactions that wait share an entry, and each is applied by itself", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    const before = a.replica.status().applied;
    let events = 0;
    a.store.watch(() => events++);
    await Promise.all(numbered("n", 100).map((id) => a.write(id)));
    expect(ids(a).length).toBe(100);
    expect(events).toBe(100);
    expect(a.replica.status().applied - before).toBeLessThan(10);
  });

  test("a large transaction and many of them fit", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    await Promise.all(numbered("n", 5).map((id) => a.write(id, "x".repeat(1_000_000))));
    await a.stop();
    const again = await group.restart("a");
    await until(() => again.isLeader);
    expect(ids(again).length).toBe(5);
  });

  test("takes a snapshot also when the log is large rather than long", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    for (let round = 0; round < 13; round++) await Promise.all(numbered("n", 4).map((id) => a.write(id, "x".repeat(1_390_000))));
    await until(() => !existsSync(join(a.directory, "snapshots", "0000000000000001-1.snapshot")));
    await a.stop();
    const again = await group.restart("a");
    await until(() => again.isLeader);
    expect(ids(again).length).toBe(4);
  });

  test("takes a snapshot after so many entries, forgets what it covers, and starts from it", async () => {
    await using group = await ReplicaGroup.create();
    const a = await group.found("a", { snapshotInterval: 20, logEntriesForSlowFollowers: 5 });
    const snapshots = async () => (await readdir(join(a.directory, "snapshots"))).filter((name) => name.endsWith(".snapshot"));
    for (const id of numbered("n", 50)) await a.write(id);
    let names = await snapshots();
    while (names.length !== 1 || names[0]?.startsWith("0000000000000001")) names = await snapshots();
    const objects = [...a.store.objects()];
    await a.stop();
    const again = await group.restart("a");
    await until(() => again.isLeader);
    expect([...again.store.objects()]).toEqual(objects);
    expect(voters(again)).toEqual(["a"]);
  });

  test("refuses to be founded twice, and to do anything before it has a place", async () => {
    await using group = await ReplicaGroup.of("a");
    await expect(group.host("a").replica.bootstrap({ nodeId: "a", address: "a:1" })).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

describe("three members", () => {
  test("what the leader acknowledged is on every member", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    await leader.write("x");
    await until(() => [...group.hosts.values()].every((host) => host.has("x")));
    for (const host of group.hosts.values()) expect([...host.store.objects()]).toEqual([...leader.store.objects()]);
  });

  test("the stop of the leader loses nothing that was acknowledged", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const old = await group.awaitLeader();
    const acknowledged: string[] = [];
    const writes = numbered("n", 200).map((id) =>
      old.write(id).then(
        () => acknowledged.push(id),
        () => undefined,
      ),
    );
    await until(() => acknowledged.length > 0);
    await old.stop();
    await Promise.all(writes);
    const next = await group.awaitLeader(old);
    await next.replica.readIndex();
    expect(ids(next)).toEqual(expect.arrayContaining([...acknowledged].sort()));
    await next.write("after");
    const back = await group.restart(old.name);
    await until(() => back.has("after"));
    expect([...back.store.objects()]).toEqual([...next.store.objects()]);
  });

  test("a leader that is cut off gives up, its write has an unknown outcome, and another leads", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const old = await group.awaitLeader();
    group.network.cut(old.address);
    const write = old.write("lost");
    await expect(write).rejects.toMatchObject({ code: "outcome_unknown" });
    expect(old.isLeader).toBe(false);
    await expect(old.write("refused")).rejects.toMatchObject({ code: "no_leader" });
    const next = await group.awaitLeader(old);
    await next.write("kept");
    group.network.heal(old.address);
    await until(() => old.has("kept"));
    expect(old.has("lost")).toBe(false);
    expect([...old.store.objects()]).toEqual([...next.store.objects()]);
  });

  test("a follower that was down catches up by the log", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const follower = [...group.hosts.values()].find((host) => host !== leader) as Host;
    await follower.stop();
    for (const id of numbered("n", 20)) await leader.write(id);
    const sent = group.network.snapshots.length;
    const back = await group.restart(follower.name);
    await until(() => back.has("n19"));
    expect(group.network.snapshots.length).toBe(sent);
    expect([...back.store.objects()]).toEqual([...leader.store.objects()]);
  });

  test("a follower that was down for long catches up by a snapshot, and keeps it over a restart", async () => {
    await using group = await ReplicaGroup.create();
    const leader = await group.found("a", { snapshotInterval: 20, logEntriesForSlowFollowers: 5 });
    const b = await group.join("b");
    const c = await group.join("c");
    await until(() => voters(leader).length === 3 && b.store.view.cluster !== undefined);
    await c.stop();
    for (const id of numbered("n", 100)) await leader.write(id);
    const sent = group.network.snapshots.length;
    const back = await group.restart("c");
    await until(() => back.has("n99"));
    expect(group.network.snapshots.slice(sent).at(0)?.[1]).toBe("c:2377");
    expect([...back.store.objects()]).toEqual([...leader.store.objects()]);
    await back.stop();
    const again = await group.restart("c");
    await until(() => again.has("n99"));
    expect(voters(again)).toEqual(["a", "b", "c"]);
  });

  test("all members stop and come back", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    await Promise.all(numbered("n", 50).map((id) => leader.write(id)));
    const objects = [...leader.store.objects()];
    for (const host of [...group.hosts.values()]) await host.stop();
    const back = await Promise.all(["a", "b", "c"].map((name) => group.restart(name)));
    const next = await group.awaitLeader();
    expect([...next.store.objects()]).toEqual(objects);
    await next.write("after");
    await until(() => back.every((host) => host.has("after")));
    expect(voters(next)).toEqual(["a", "b", "c"]);
  });

  test("timings of the cluster's spec hold at once", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    await setRaftConfig(leader, { electionTick: 10_000 });
    const followers = [...group.hosts.values()].filter((host) => host !== leader);
    await until(() => followers.every((host) => host.store.view.cluster !== undefined));
    // Four election timeouts of before: each heartbeat that is sent is a tick.
    let heartbeats = 0;
    group.network.filter = (message) => {
      if (message.type === "heartbeat") heartbeats++;
      return false;
    };
    await until(() => heartbeats >= 2 * 80);
    expect(followers.map((host) => host.replica.status().leader?.nodeId)).toEqual([leader.name, leader.name]);
    expect(leader.isLeader).toBe(true);
  });

  test("when the leader's process is gone, another leads long before the election timeout", async () => {
    await using group = await ReplicaGroup.inRealTime("a", "b", "c");
    const old = await group.awaitLeader();
    await setRaftConfig(old, { electionTick: 10_000 });
    const others = [...group.hosts.values()].filter((host) => host !== old);
    await until(() => others.every((host) => host.store.view.cluster !== undefined));
    const lost = old.replica.status().raftId;
    await old.stop();
    for (const host of others) host.replica.peerLost(lost);
    const next = await group.awaitLeader(old);
    await next.write("x");
    await until(() => others.every((host) => host.has("x")));
  });

  test("a wrong report that the leader is gone does not unseat it, nor does one about anybody else", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const { term, raftId } = leader.replica.status();
    const [one, two] = [...group.hosts.values()].filter((host) => host !== leader) as [Host, Host];
    let [preVotes, heartbeats] = [0, 0];
    // Once it does not hear the leader either, it stands again and again, for many election timeouts' worth of heartbeats.
    let isDeaf = true;
    group.network.filter = (message) => {
      if (message.type === "pre_vote" && message.from === one.replica.status().raftId) preVotes++;
      if (message.type === "heartbeat") heartbeats++;
      return !(isDeaf && message.from === raftId && message.to === one.replica.status().raftId);
    };
    one.replica.peerLost(two.replica.status().raftId);
    expect(one.replica.status().leaderId).toBe(raftId);
    await until(() => {
      one.replica.peerLost(raftId);
      return preVotes >= 5 && heartbeats >= 100;
    });
    isDeaf = false;
    await leader.write("x");
    await until(() => one.has("x") && two.has("x"));
    expect(leader.isLeader).toBe(true);
    expect([...group.hosts.values()].map((host) => host.replica.status().term)).toEqual([term, term, term]);
  });

  test("a read on any member sees every write that was acknowledged before", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    for (const id of numbered("n", 5)) {
      await leader.write(id);
      for (const host of group.hosts.values()) {
        await Promise.all([host.replica.readIndex(), host.replica.readIndex()]);
        expect(host.has(id)).toBe(true);
      }
    }
  });

  test("without a quorum a read is refused after its deadline, and with no leader for long at once", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    group.network.cut(leader.address);
    await expect(leader.replica.readIndex({ timeoutMs: 300 })).rejects.toMatchObject({ code: "no_leader" });
    await expect(leader.replica.readIndex({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: "no_leader", message: "the swarm does not have a leader" });
    await expect(leader.replica.readIndex({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: "no_leader" });
  });

  test("leadership is handed over", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const roles: boolean[] = [];
    leader.replica.onRoleChange(({ isLeader }) => roles.push(isLeader));
    await leader.replica.transferLeadership();
    expect(leader.isLeader).toBe(false);
    expect(roles[0]).toBe(false);
    const next = await group.awaitLeader(leader);
    await next.write("x");
    await until(() => leader.has("x"));
  });

  test("when nobody takes leadership over, the leader announces itself again", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const roles: boolean[] = [];
    leader.replica.onRoleChange(({ isLeader }) => roles.push(isLeader));
    group.network.filter = (message) => message.type !== "timeout_now";
    const write = leader.write("before");
    await expect(leader.replica.transferLeadership()).rejects.toMatchObject({ code: "deadline_exceeded" });
    await write;
    await until(() => leader.isLeader);
    expect(roles).toEqual([false, true]);
    await leader.write("after");
  });

  test("who leads is announced everywhere, the leader only with a current store", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const old = await group.awaitLeader();
    await old.write("x");
    let hadEverything: boolean | undefined;
    for (const host of group.hosts.values()) {
      host.replica.onRoleChange(({ isLeader }) => {
        if (isLeader) hadEverything = host.has("x");
      });
    }
    await old.stop();
    const next = await group.awaitLeader(old);
    expect(hadEverything).toBe(true);
    const others = [...group.hosts.values()].filter((host) => host !== old);
    await until(() => others.every((host) => host.replica.leadership.leader?.nodeId === next.name));
    expect(
      next.replica
        .members()
        .map(({ nodeId, isReachable, isLeader }) => ({ nodeId, isReachable, isLeader }))
        .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
    ).toEqual(["a", "b", "c"].map((nodeId) => ({ nodeId, isReachable: nodeId !== old.name, isLeader: nodeId === next.name })));
  });
});
