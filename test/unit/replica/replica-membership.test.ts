import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../../src/raft/message.js";
import { ConfigChangeCodec } from "../../../src/wire/generated/raft.js";
import { type Host, ReplicaGroup, until, voters } from "../../support/replica-group.js";

describe("membership", () => {
  test("joining again changes nothing, or only the address", async () => {
    await using group = await ReplicaGroup.of("a", "b");
    const leader = await group.awaitLeader();
    const before = leader.replica.members();
    const { raftId, members } = await leader.replica.join("b", "b:2377");
    expect(members).toEqual(before);
    expect(raftId).toBe(before.find((member) => member.nodeId === "b")?.raftId);
    const other = [...group.hosts.values()].find((host) => host !== leader) as Host;
    await leader.replica.join(leader.name, "elsewhere:1");
    await until(() => other.replica.members().some((member) => member.address === "elsewhere:1" && member.nodeId === leader.name));
    expect(voters(other)).toEqual(["a", "b"]);
  });

  test("a leader that was replaced without knowing says nothing about places", async () => {
    await using group = await ReplicaGroup.inRealTime("a", "b", "c");
    const old = await group.awaitLeader();
    const other = [...group.hosts.values()].find((host) => host !== old) as Host;
    group.network.cut(old.address);
    const asked = old.replica.join(other.name, other.address);
    expect(old.isLeader).toBe(true);
    await expect(asked).rejects.toMatchObject({ code: "no_leader" });
  });

  test("only the leader changes it", async () => {
    await using group = await ReplicaGroup.of("a", "b");
    const follower = [...group.hosts.values()].find((host) => !host.isLeader) as Host;
    await expect(follower.replica.join("x", "x:1")).rejects.toMatchObject({ code: "no_leader" });
    await expect(follower.replica.remove("a")).rejects.toMatchObject({ code: "no_leader" });
    await expect(follower.replica.transferLeadership()).rejects.toMatchObject({ code: "no_leader" });
  });

  test("a member that answers nothing counts as lost while its connection still stands", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const [near, far] = [...group.hosts.values()].filter((host) => host !== leader) as [Host, Host];
    const raftId = leader.replica.members().find((member) => member.nodeId === far.name)?.raftId;
    const reachable = () =>
      leader.replica
        .members()
        .filter((member) => member.isReachable)
        .map((member) => member.nodeId);
    expect(reachable()).toContain(far.name);
    group.network.filter = (message) => message.from !== raftId && message.to !== raftId;
    await until(() => !reachable().includes(far.name));
    expect(reachable()).toEqual(expect.arrayContaining([leader.name, near.name]));
    await expect(leader.replica.remove(near.name)).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining("no quorum") });
    group.network.filter = () => true;
    await until(() => reachable().includes(far.name));
    expect(leader.isLeader).toBe(true);
  });

  test("several nodes that join at once become members one after the other", async () => {
    await using group = await ReplicaGroup.of("a");
    await Promise.all(["b", "c", "d", "e"].map((name) => group.join(name)));
    await until(() => voters(group.host("a")).length === 5);
    await group.host("a").write("x");
    await until(() => [...group.hosts.values()].every((host) => host.has("x")));
    const raftIds = group
      .host("a")
      .replica.members()
      .map((member) => member.raftId);
    expect(new Set(raftIds).size).toBe(5);
  });

  test("learners that have caught up become voters in one change, and everybody knows it also after a restart", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    const changes = new Map<number, string>();
    let held: RaftMessage[] = [];
    const told = new Set<number>();
    // What the leader hears of one learner it hears of both at once, until it takes them: whenever it looks, both have caught up and answer, or neither.
    group.network.filter = (message) => {
      for (const { index, type, data } of message.entries) {
        if (type === "config_change")
          changes.set(
            index,
            ConfigChangeCodec.decode(data)
              .steps.map(({ action }) => action)
              .join(" "),
          );
      }
      const isAnswer = message.type === "append_reply" && !message.reject;
      if (changes.size > 2 || !(isAnswer || (message.type === "heartbeat_reply" && told.size === 2))) return true;
      held.push(message);
      const senders = new Set(held.map(({ from }) => from));
      if (changes.size < 2 || senders.size < 2) return false;
      for (const sender of senders) told.add(sender);
      a.replica.deliver(held);
      held = [];
      return false;
    };
    const [b, c] = await Promise.all([group.join("b"), group.join("c")]);
    await until(() => [a, b, c].every((host) => voters(host).length === 3));
    await a.write("x");
    await until(() => b.has("x") && c.has("x"));
    expect([...changes.values()]).toEqual(["add_learner", "add_learner", "add_voter add_voter", ""]);
    for (const host of [a, b, c]) await host.stop();
    const back = await Promise.all(["a", "b", "c"].map((name) => group.restart(name)));
    const leader = await group.awaitLeader();
    await leader.write("y");
    await until(() => back.every((host) => host.has("y") && voters(host).length === 3));
    await leader.replica.remove((back.find((host) => host !== leader) as Host).name);
    expect(voters(leader).length).toBe(2);
  });

  test("a member that was cut off when another one joined follows that one when it leads", async () => {
    await using group = await ReplicaGroup.inRealTime("a", "b", "c");
    const first = await group.awaitLeader();
    const [cut, third] = [...group.hosts.values()].filter((host) => host !== first) as [Host, Host];
    group.network.cut(cut.address);
    const joined = await group.join("d");
    await until(() => voters(first).length === 4);
    // Then only the new one can take over.
    await first.replica.remove(third.name);
    await first.replica.transferLeadership();
    await until(() => joined.isLeader);
    await joined.write("x");
    group.network.heal(cut.address);
    await until(() => cut.has("x"));
    expect(voters(cut)).toEqual(voters(joined));
    expect(joined.isLeader).toBe(true);
  });

  test("where a member says that it is counts before what the log says of it", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const [moved, third] = [...group.hosts.values()].filter((host) => host !== leader) as [Host, Host];
    group.network.attach("elsewhere:1", moved.replica);
    leader.replica.introduced({ raftId: moved.replica.status().raftId, nodeId: moved.name, address: "elsewhere:1" });
    // As one that is behind hears it: an address that the member had in between.
    await leader.replica.join(moved.name, "nowhere:1");
    group.network.cut(third.address);
    await leader.write("x");
    await until(() => moved.has("x"));
  });

  test("a node that joined and never came is no obstacle", async () => {
    await using group = await ReplicaGroup.of("a");
    const a = group.host("a");
    await a.replica.join("ghost", "ghost:1");
    await a.write("x");
    expect(voters(a)).toEqual(["a"]);
    await a.replica.remove("ghost");
    expect(a.replica.members().map((member) => member.nodeId)).toEqual(["a"]);
    await a.replica.remove("ghost");
  });

  test("a removed member learns of it, takes no part, and comes back only as a new one", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const gone = [...group.hosts.values()].find((host) => host !== leader) as Host;
    const oldId = gone.replica.status().raftId;
    await leader.replica.remove(gone.name);
    await until(() => gone.replica.status().isRemoved);
    expect(voters(leader)).toEqual(["a", "b", "c"].filter((name) => name !== gone.name));
    await leader.write("x");
    expect(gone.has("x")).toBe(false);
    await expect(gone.replica.readIndex()).rejects.toMatchObject({ code: "failed_precondition" });
    expect((await leader.replica.join(gone.name, gone.address)).raftId).not.toBe(oldId);
  });

  test("the leader can be removed: it hands over", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    await leader.replica.remove(leader.name);
    const next = await group.awaitLeader(leader);
    await next.write("x");
    await until(() => leader.replica.status().isRemoved);
    expect(voters(next)).toEqual(["a", "b", "c"].filter((name) => name !== leader.name));
  });

  test("a member that stops waits for no successor any more", async () => {
    await using group = await ReplicaGroup.of("a", "b");
    const leader = await group.awaitLeader();
    const other = [...group.hosts.values()].find((host) => host !== leader) as Host;
    group.network.cut(other.address);
    const handedOver = leader.replica.transferLeadership();
    handedOver.catch(() => undefined); // Looked at below.
    await until(() => !leader.isLeader);
    await leader.stop();
    await expect(Promise.race([handedOver, Promise.resolve()])).rejects.toMatchObject({ code: "deadline_exceeded" });
  });

  test("of two members the leader is demoted and goes away as soon as it knows: the other one leads on, also after a restart", async () => {
    await using group = await ReplicaGroup.of("a", "b");
    const old = await group.awaitLeader();
    const left = [...group.hosts.values()].find((host) => host !== old) as Host;
    await old.replica.transferLeadership();
    await until(() => left.isLeader);
    const losses: number[] = [];
    left.replica.onRoleChange(({ isLeader, term }) => {
      if (!isLeader) losses.push(term);
    });
    const goneWhen = new Promise<void>((resolve) => old.replica.onRoleChange(({ isRemoved }) => isRemoved && resolve()));
    await left.replica.remove(old.name);
    await goneWhen;
    await old.stop();
    await left.write("x");
    expect([voters(left), losses]).toEqual([[left.name], []]);
    await left.stop();
    const back = await group.restart(left.name);
    await until(() => back.isLeader);
    await back.write("y");
    expect(back.has("x")).toBe(true);
  });

  test("a removal that would cost the quorum is refused, as is that of the last member", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const [one, two] = [...group.hosts.values()].filter((host) => host !== leader) as [Host, Host];
    await one.stop();
    await expect(leader.replica.remove(two.name)).rejects.toMatchObject({ code: "failed_precondition" });
    await leader.replica.remove(one.name);
    expect(voters(leader)).toEqual([leader.name, two.name].sort());
    await using alone = await ReplicaGroup.of("a");
    await expect(alone.host("a").replica.remove("a")).rejects.toMatchObject({ code: "failed_precondition" });
  });

  test("a member that joined restarts with what it was told", async () => {
    await using group = await ReplicaGroup.of("a");
    const b = await group.join("b");
    await b.stop();
    const back = await group.restart("b");
    await until(() => voters(group.host("a")).length === 2 && voters(back).length === 2);
  });
});
