import { describe, expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import { messageOf } from "../../../src/raft/outbox.js";
import { bytes, member } from "./lone-member.js";

const code = (expected: Parameters<typeof isClusterError>[1]) => expect.toSatisfy((cause: unknown) => isClusterError(cause, expected));
const electionTicks = 5;

/** A leader of two whose entry 3 has just been committed, which the other member does not know yet. */
function leaderWithCommitNews() {
  const world = member([1, 2]);
  world.lead();
  world.hear("append_reply", 2, { index: 2 });
  world.drive();
  world.raft.propose([bytes("a")]);
  world.drive();
  world.hear("append_reply", 2, { index: 3 });
  return world;
}

describe("what waits for the disk", () => {
  test("a vote, and nothing before it is durable", () => {
    const { raft, hear, write } = member([1, 2, 3]);
    hear("vote", 2, { term: 2, index: 1, logTerm: 1 });
    expect(raft.takeMessages()).toEqual([]);
    const ready = raft.ready();
    expect(ready).toMatchObject({ hardState: { term: 2, vote: 2 }, messages: [], messagesAfterPersist: [{ type: "vote_reply", to: 2, reject: false }] });
    write(ready);
    expect(raft.hasReady()).toBe(false);
  });

  test("a candidate's own vote: it asks, and counts itself, after the write", () => {
    const { raft, hear, write } = member([1, 2, 3]);
    raft.campaign();
    hear("pre_vote_reply", 2, { term: 2 });
    const ready = raft.ready();
    expect(ready.messagesAfterPersist.map(({ type, to }) => `${type} ${to}`)).toEqual(["vote 2", "vote 3"]);
    hear("vote_reply", 2);
    expect(raft.status().role).toBe("candidate");
    write(ready);
    expect(raft.status().role).toBe("leader");
  });

  test("an append's acknowledgement; a heartbeat's answer does not wait", () => {
    const { raft, hear } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [{ index: 2, term: 2, type: "normal", data: bytes("") }] });
    hear("heartbeat", 2);
    expect(raft.takeMessages().map(({ type }) => type)).toEqual(["heartbeat_reply"]);
    expect(raft.ready().messagesAfterPersist).toMatchObject([{ type: "append_reply", index: 2 }]);
  });

  test("a leader's appends leave during its write, and it counts itself after it", () => {
    const { raft, hear, lead, write } = member([1, 2]);
    lead();
    raft.propose([bytes("a")]);
    const ready = raft.ready();
    expect(ready.entries.map(({ index }) => index)).toEqual([3]);
    raft.propose([bytes("b")]);
    hear("append_reply", 2, { index: 2 });
    hear("append_reply", 2, { index: 4 });
    expect(raft.takeMessages().filter(({ type, entries }) => type === "append" && entries.length > 0)).not.toEqual([]);
    expect(raft.status().commit).toBe(2);
    write(ready);
    expect(raft.status().commit).toBe(3);
  });
});

describe("news of a commit", () => {
  test("go along with the next entries, and by themselves when told to", () => {
    const { raft, hear, drive } = leaderWithCommitNews();
    expect(raft.hasCommitNews).toBe(true);
    raft.propose([bytes("b")]);
    expect(raft.hasCommitNews).toBe(false);
    expect(raft.takeMessages()).toMatchObject([{ type: "append", to: 2, index: 3, entries: [{ index: 4 }], commit: 3 }]);
    drive();
    hear("append_reply", 2, { index: 4 });
    expect(raft.takeMessages()).toEqual([]);
    raft.tellCommit();
    expect(raft.takeMessages()).toMatchObject([{ type: "append", to: 2, index: 4, entries: [], commit: 4 }]);
    raft.tellCommit();
    expect(raft.takeMessages()).toEqual([]);
  });
});

test("a read of another member is answered after the news of what it must see", () => {
  const { raft, hear } = leaderWithCommitNews();
  hear("read_index", 2, { context: 9 });
  expect(raft.takeMessages()).toMatchObject([
    { type: "append", to: 2, entries: [], commit: 3 },
    { type: "read_index_reply", to: 2, context: 9, index: 3 },
  ]);
});

test("who hears of a commit beyond its log has lost what it acknowledged, and says so", () => {
  const { raft, hear } = member([1, 2, 3]);
  hear("heartbeat", 2, { term: 2, commit: 1 });
  expect(() => hear("heartbeat", 2, { commit: 2 })).toThrow(
    /^the raft log ends at entry 1, and this member had acknowledged entry 2: .*; it must not take part again: demote it/,
  );
  expect(raft.status().commit).toBe(1);
});

describe("one Ready at a time", () => {
  test("a second one is refused until the first is persisted", () => {
    const { raft, hear, write } = member([1, 2, 3]);
    hear("heartbeat", 2, { term: 3 });
    const ready = raft.ready();
    hear("heartbeat", 2, { term: 4 });
    expect(raft.hasReady()).toBe(false);
    expect(() => raft.ready()).toThrow(/the Ready before was reported persisted/);
    expect(() => raft.persisted({ ...ready })).toThrow(/the outstanding Ready/);
    write(ready);
    expect(raft.ready().hardState).toMatchObject({ term: 4 });
  });

  test("what is handed out does not change while the core goes on", () => {
    const { raft, lead } = member([1, 2]);
    lead();
    raft.propose([bytes("a")]);
    const ready = raft.ready();
    raft.propose([bytes("b")]);
    expect(ready.entries).toHaveLength(1);
  });
});

describe("refusals", () => {
  test("only a leader takes entries and hands over; a follower names the leader it knows", () => {
    const { raft, hear } = member([1, 2, 3]);
    expect(() => raft.propose([bytes("a")])).toThrow(code("no_leader"));
    expect(() => raft.transferLeadership(2)).toThrow(code("no_leader"));
    expect(() => raft.readIndex(1)).toThrow(code("no_leader"));
    hear("heartbeat", 3, { term: 2 });
    expect(() => raft.propose([bytes("a")])).toThrow(expect.objectContaining({ details: { leader: "3" } }));
  });

  test("a membership change waits for an entry of the own term, and for the change before", () => {
    const { raft, hear, lead, drive } = member([1, 2]);
    lead();
    expect(() => raft.proposeConfigChange(bytes("x"))).toThrow(code("failed_precondition"));
    hear("append_reply", 2, { index: 2 });
    expect(raft.proposeConfigChange(bytes("x"))).toEqual({ term: 2, firstIndex: 3, lastIndex: 3 });
    expect(() => raft.proposeConfigChange(bytes("y"))).toThrow(code("failed_precondition"));
    hear("append_reply", 2, { index: 3 });
    expect(() => raft.proposeConfigChange(bytes("y"))).toThrow(code("failed_precondition"));
    drive();
    expect(raft.proposeConfigChange(bytes("y")).firstIndex).toBe(4);
  });

  test("nobody stands for election before a committed membership change is applied", () => {
    const { raft, hear, persist } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [{ index: 2, term: 2, type: "config_change", data: bytes("") }], commit: 2 });
    const ready = raft.ready();
    persist(ready);
    raft.campaign();
    expect(raft.status().role).toBe("follower");
    raft.applyConfigChange([]);
    raft.applied(2);
    raft.campaign();
    expect(raft.status().role).toBe("pre_candidate");
  });

  test("who stands, and learns from an answer that a change of membership is committed, gives up until it is applied", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [{ index: 2, term: 2, type: "config_change", data: bytes("") }], commit: 1 });
    drive();
    raft.forgetLeader();
    raft.campaign();
    hear("pre_vote_reply", 3, { term: 3 });
    drive();
    expect(raft.status()).toMatchObject({ role: "candidate", term: 3 });
    hear("vote_reply", 3, { hintIndex: 2, hintTerm: 2 });
    expect(raft.status()).toMatchObject({ role: "follower", term: 3, commit: 2 });
  });

  test("an entry of an older term is not committed by counting, but along with one of the own (Raft, figure 8)", () => {
    const { raft, hear, drive } = member([1, 2, 3, 4, 5]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [{ index: 2, term: 2, type: "normal", data: bytes("old") }], commit: 1 });
    drive();
    raft.forgetLeader();
    raft.campaign();
    for (const voter of [2, 3]) hear("pre_vote_reply", voter, { term: 3 });
    drive();
    for (const voter of [2, 3]) hear("vote_reply", voter);
    drive();
    expect(raft.status()).toMatchObject({ role: "leader", term: 3 });
    for (const voter of [2, 3, 4]) hear("append_reply", voter, { index: 2 });
    expect(raft.status().commit).toBe(1);
    for (const voter of [2, 3]) hear("append_reply", voter, { index: 3 });
    expect(raft.status().commit).toBe(3);
  });

  test("messages to others, from nobody, or with a gap in their entries change nothing", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    raft.step(messageOf({ type: "vote", to: 3 }, { id: 2, term: 9 }));
    raft.step(messageOf({ type: "vote", to: 1 }, { id: 1, term: 9 }));
    expect(raft.status().term).toBe(1);
    const gap = [2, 4].map((index) => ({ index, term: 1, type: "normal" as const, data: bytes("") }));
    hear("append", 2, { index: 1, logTerm: 1, entries: gap });
    expect(drive().filter(({ type }) => type === "append_reply")).toEqual([]);
  });
});

describe("time", () => {
  test("a follower trusts its leader for an election timeout, then votes for another", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    for (let tick = 1; tick < electionTicks; tick++) raft.tick();
    drive();
    hear("vote", 3, { term: 3, index: 1, logTerm: 1 });
    expect(raft.status()).toMatchObject({ term: 2, leader: 2 });
    raft.tick();
    hear("vote", 3, { term: 3, index: 1, logTerm: 1 });
    expect(drive()).toContainEqual(expect.objectContaining({ type: "vote_reply", to: 3, reject: false }));
  });

  test("a learner never stands, but stops trusting a silent leader", () => {
    const { raft, hear } = member([2, 3], [1]);
    hear("heartbeat", 2, { term: 2 });
    for (let tick = 0; tick < 3 * electionTicks; tick++) raft.tick();
    expect(raft.status()).toMatchObject({ role: "follower", leader: 0, term: 2 });
  });

  test("the lease ends after an election timeout, also where the member itself waits longer before it stands", () => {
    const { raft, hear, drive } = member([1, 2, 3], [], { random: { next: () => 0.99 } });
    hear("heartbeat", 2, { term: 2 });
    for (let tick = 1; tick < electionTicks; tick++) raft.tick();
    hear("pre_vote", 3, { term: 3, index: 1, logTerm: 1 });
    expect(drive().filter(({ to }) => to === 3)).toEqual([]);
    raft.tick();
    hear("pre_vote", 3, { term: 3, index: 1, logTerm: 1 });
    expect(drive().filter(({ to }) => to === 3)).toMatchObject([{ type: "pre_vote_reply", reject: false }]);
  });

  test("how long a member waits before it stands is drawn each time, from one election timeout to less than two", () => {
    const draws = [0, 0.999_999, 0.5];
    const { raft } = member([1, 2, 3], [], { random: { next: () => draws[0] ?? 0 } });
    const waits = draws.map((draw) => {
      draws[0] = draw;
      raft.step(messageOf({ type: "heartbeat", to: 1 }, { id: 2, term: raft.status().term + 1 }));
      let ticks = 0;
      while (raft.status().role === "follower") {
        raft.tick();
        ticks++;
      }
      return ticks;
    });
    expect(waits).toEqual([electionTicks, 2 * electionTicks - 1, electionTicks + 2]);
  });

  test("new timings are in force at once", () => {
    const { raft } = member([1, 2, 3]);
    raft.setTicks({ electionTicks: 50, heartbeatTicks: 10 });
    for (let tick = 0; tick < 49; tick++) raft.tick();
    expect(raft.status().role).toBe("follower");
    raft.tick();
    expect(raft.status().role).toBe("pre_candidate");
  });
});

test("appends to one follower stop at the window, by messages and by bytes", () => {
  const { raft, hear, lead, drive } = member([1, 2]);
  lead();
  hear("append_reply", 2, { index: 2 });
  drive();
  raft.propose(Array.from({ length: 10 }, () => new Uint8Array(40)));
  const appends = drive().filter(({ type, entries }) => type === "append" && entries.length > 0);
  expect(appends.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[3, 4]]);
  hear("append_reply", 2, { index: 4 });
  const more = drive().filter(({ type, entries }) => type === "append" && entries.length > 0);
  expect(more.map(({ entries }) => entries.map(({ index }) => index))).toEqual([
    [5, 6],
    [7, 8],
  ]);
});

test("a group of one commits alone, and serves reads alone", () => {
  const { raft, drive } = member([1]);
  raft.campaign();
  drive();
  const { lastIndex } = raft.propose([bytes("a")]);
  drive();
  expect(raft.status()).toMatchObject({ role: "leader", term: 2, commit: lastIndex, applied: lastIndex });
  raft.readIndex(9);
  expect(raft.ready().readStates).toEqual([{ context: 9, index: lastIndex }]);
});
