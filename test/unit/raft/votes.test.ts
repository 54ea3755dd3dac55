import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../../src/raft/message.js";
import { bytes, member } from "./lone-member.js";

const entry = (index: number, term: number, type: "normal" | "config_change" = "normal") => ({ index, term, type, data: bytes("") });
const told = (messages: readonly RaftMessage[]) => messages.map(({ type, to, reject }) => `${type} ${to}${reject ? " rejected" : ""}`);

describe("a vote", () => {
  test("is given to one candidate of a term, and again to the same one", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    const asks = { term: 2, index: 1, logTerm: 1 };
    hear("vote", 2, asks);
    expect(told(drive())).toEqual(["vote_reply 2"]);
    hear("vote", 3, asks);
    expect(told(drive())).toEqual(["vote_reply 3 rejected"]);
    hear("vote", 2, asks);
    expect(told(drive())).toEqual(["vote_reply 2"]);
    expect(raft.status()).toMatchObject({ role: "follower", term: 2 });
  });

  test("is given to nobody else in the term of a known leader", () => {
    const { hear, drive } = member([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    drive();
    hear("vote", 3, { index: 1, logTerm: 1 });
    expect(told(drive())).toEqual(["vote_reply 3 rejected"]);
  });

  test("is refused to a shorter log, and to one of an older term however long", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 3, index: 1, logTerm: 1, entries: [entry(2, 2), entry(3, 3)] });
    drive();
    raft.forgetLeader();
    hear("vote", 3, { term: 4, index: 2, logTerm: 3 });
    hear("vote", 3, { term: 4, index: 9, logTerm: 2 });
    expect(told(drive())).toEqual(["vote_reply 3 rejected", "vote_reply 3 rejected"]);
    hear("vote", 2, { index: 3, logTerm: 3 });
    expect(told(drive())).toEqual(["vote_reply 2"]);
  });

  test("makes the voter wait for whom it voted", () => {
    const { raft, hear } = member([1, 2, 3]);
    hear("vote", 2, { term: 2, index: 1, logTerm: 1 });
    for (let tick = 1; tick < 5; tick++) raft.tick();
    hear("vote", 2, { index: 1, logTerm: 1 });
    for (let tick = 1; tick < 5; tick++) raft.tick();
    expect(raft.status().role).toBe("follower");
    raft.tick();
    expect(raft.status().role).toBe("pre_candidate");
  });

  test("that is asked for in advance is promised for a later term only, to anybody, and changes nothing", () => {
    const { raft, hear, drive } = member([1, 2, 3, 4]);
    hear("vote", 2, { term: 2, index: 1, logTerm: 1 });
    drive();
    for (const from of [3, 4]) hear("pre_vote", from, { term: 3, index: 1, logTerm: 1 });
    hear("pre_vote", 3, { term: 2, index: 1, logTerm: 1 });
    expect(drive()).toMatchObject([
      { type: "pre_vote_reply", to: 3, term: 3, reject: false },
      { type: "pre_vote_reply", to: 4, term: 3, reject: false },
      { type: "pre_vote_reply", to: 3, term: 2, reject: true },
    ]);
    expect(raft.status()).toMatchObject({ term: 2, leader: 0 });
    hear("vote", 3, { index: 1, logTerm: 1 });
    expect(told(drive())).toEqual(["vote_reply 3 rejected"]);
  });
});

describe("votes are counted", () => {
  test("once per voter: the first answer stands", () => {
    const { raft, hear, drive } = member([1, 2, 3, 4, 5]);
    raft.campaign();
    hear("pre_vote_reply", 2, { term: 2 });
    hear("pre_vote_reply", 3, { reject: true });
    hear("pre_vote_reply", 3, { term: 2 });
    expect(raft.status().role).toBe("pre_candidate");
    hear("pre_vote_reply", 4, { term: 2 });
    drive();
    hear("vote_reply", 2, { reject: true });
    hear("vote_reply", 2);
    hear("vote_reply", 3);
    expect(raft.status().role).toBe("candidate");
    hear("vote_reply", 4);
    expect(raft.status().role).toBe("leader");
  });

  test("of voters alone", () => {
    const { raft, hear } = member([1, 2, 3], [4]);
    raft.campaign();
    for (const from of [4, 9]) hear("pre_vote_reply", from, { term: 2 });
    expect(raft.status().role).toBe("pre_candidate");
    hear("pre_vote_reply", 2, { term: 2 });
    expect(raft.status().role).toBe("candidate");
  });

  test("of this campaign: a consent to an earlier one, a vote, and a refusal of another kind say nothing of it", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    raft.campaign();
    hear("pre_vote_reply", 2, { term: 2 });
    drive();
    expect(raft.status()).toMatchObject({ role: "candidate", term: 2 });
    for (const from of [2, 3]) hear("pre_vote_reply", from, { reject: true });
    expect(raft.status().role).toBe("candidate");
    raft.campaign();
    drive();
    expect(raft.status()).toMatchObject({ role: "pre_candidate", term: 2 });
    hear("pre_vote_reply", 3, { term: 2 });
    for (const from of [2, 3]) hear("vote_reply", from, { reject: true });
    expect(raft.status().role).toBe("pre_candidate");
    hear("pre_vote_reply", 3, { term: 3 });
    expect(raft.status()).toMatchObject({ role: "candidate", term: 3 });
  });

  test("while the member stands: who gave way ignores the votes that come late", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    raft.campaign();
    hear("pre_vote_reply", 2, { term: 2 });
    drive();
    for (const from of [2, 3]) hear("vote_reply", from, { reject: true });
    expect(raft.status()).toMatchObject({ role: "follower", term: 2 });
    for (const from of [2, 3]) hear("vote_reply", from);
    expect(raft.status()).toMatchObject({ role: "follower", term: 2 });
  });
});

test("a refusal of a pre-vote that names a later term is heard, a consent does not change the term", () => {
  const { raft, hear } = member([1, 2, 3, 4, 5]);
  raft.campaign();
  hear("pre_vote_reply", 2, { term: 2 });
  expect(raft.status()).toMatchObject({ role: "pre_candidate", term: 1 });
  hear("pre_vote_reply", 3, { term: 7, reject: true });
  expect(raft.status()).toMatchObject({ role: "follower", term: 7, leader: 0 });
});

test("a pre-vote of an earlier term is answered with the term, which the asker may not know", () => {
  const { raft, hear, drive } = member([1, 2, 3]);
  hear("vote", 2, { term: 5, index: 1, logTerm: 1 });
  drive();
  hear("pre_vote", 3, { term: 4, index: 9, logTerm: 4 });
  expect(drive()).toMatchObject([{ type: "pre_vote_reply", to: 3, term: 5, reject: true }]);
  hear("vote", 3, { term: 4, index: 9, logTerm: 4 });
  expect(drive()).toEqual([]);
  expect(raft.status().term).toBe(5);
});

describe("requests for votes", () => {
  test("are repeated at each heartbeat to those who have not answered, and to nobody else", () => {
    const { raft, hear, drive } = member([1, 2, 3, 4], [5], { heartbeatTicks: 2, electionTicks: 9 });
    raft.campaign();
    expect(told(drive())).toEqual(["pre_vote 2", "pre_vote 3", "pre_vote 4"]);
    hear("pre_vote_reply", 2, { term: 2 });
    raft.tick();
    expect(drive()).toEqual([]);
    raft.tick();
    expect(told(drive())).toEqual(["pre_vote 3", "pre_vote 4"]);
    raft.tick();
    expect(drive()).toEqual([]);
    hear("pre_vote_reply", 3, { term: 2 });
    expect(told(drive())).toEqual(["vote 2", "vote 3", "vote 4"]);
    hear("vote_reply", 4);
    raft.tick();
    expect(drive()).toEqual([]);
    raft.tick();
    expect(drive()).toMatchObject([2, 3].map((to) => ({ type: "vote", to, term: 2, index: 1, logTerm: 1, forced: false })));
  });

  test("of who was told to take over set the lease aside; those of its next campaign do not", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    drive();
    hear("timeout_now", 2);
    expect(drive()).toMatchObject([2, 3].map((to) => ({ type: "vote", to, term: 3, forced: true })));
    for (let tick = 0; tick < 5; tick++) raft.tick();
    expect(raft.status()).toMatchObject({ role: "pre_candidate", term: 3 });
    expect(drive().filter(({ type, forced }) => type === "pre_vote" && forced)).toEqual([]);
    hear("pre_vote_reply", 3, { term: 4 });
    expect(drive()).toMatchObject([2, 3].map((to) => ({ type: "vote", to, term: 4, forced: false })));
  });

  test("are not made by a leader, a learner, or who has a change of membership to apply", () => {
    const leader = member([1, 2]);
    leader.lead();
    leader.raft.campaign();
    expect(leader.raft.status().role).toBe("leader");
    const learner = member([2, 3], [1]);
    learner.raft.campaign();
    expect(learner.raft.status().role).toBe("follower");
    learner.hear("timeout_now", 2, { term: 2 });
    expect(learner.raft.status()).toMatchObject({ role: "follower", term: 2 });
  });
});

describe("the word to take over", () => {
  const change = { term: 2, index: 1, logTerm: 1, entries: [entry(2, 2, "config_change")], commit: 2 };

  test("waits for a change of membership to be applied", () => {
    const { raft, hear, write } = member([1, 2, 3]);
    hear("append", 2, change);
    hear("timeout_now", 2);
    expect(raft.status()).toMatchObject({ role: "follower", term: 2 });
    const ready = raft.ready();
    raft.applied(1);
    expect(raft.status().role).toBe("follower");
    write(ready);
    expect(raft.status()).toMatchObject({ role: "candidate", term: 3 });
    raft.applied(2);
    expect(raft.status()).toMatchObject({ role: "candidate", term: 3 });
  });

  test("is forgotten with the term in which it was said, and by who does not become a voter", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, change);
    hear("timeout_now", 2);
    hear("heartbeat", 3, { term: 3 });
    drive();
    expect(raft.status()).toMatchObject({ role: "follower", term: 3, applied: 2 });
    const learner = member([2, 3], [1]);
    learner.hear("append", 2, change);
    learner.hear("timeout_now", 2);
    const ready = learner.raft.ready();
    learner.persist(ready);
    learner.raft.applyConfigChange([{ action: "add_voter", raftId: 1 }]);
    learner.raft.applied(2);
    expect(learner.raft.status()).toMatchObject({ role: "follower", term: 2 });
  });
});

describe("a position that votes and their replies call committed", () => {
  test("is believed where the own log agrees, and nowhere else", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 3, index: 1, logTerm: 1, entries: [entry(2, 2), entry(3, 2), entry(4, 3)] });
    drive();
    hear("vote_reply", 3, { hintIndex: 4, hintTerm: 2 });
    hear("vote_reply", 3, { hintIndex: 5, hintTerm: 0 });
    hear("vote_reply", 3, { hintIndex: 5, hintTerm: 3 });
    expect(raft.status().commit).toBe(1);
    for (const [index, type] of (["vote", "pre_vote", "vote_reply", "pre_vote_reply"] as const).entries()) {
      hear(type, 3, { term: 1, hintIndex: Math.min(index + 1, 4), hintTerm: [1, 2, 2, 3][index]! });
      expect(raft.status().commit).toBe(index + 1);
    }
  });

  test("is not what other messages carry in its place", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [entry(2, 2)] });
    drive();
    hear("append_reply", 3, { index: 5, reject: true, hintIndex: 2, hintTerm: 2 });
    expect(raft.status().commit).toBe(1);
  });

  test("does not make a follower leave its leader", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [entry(2, 2, "config_change")] });
    drive();
    hear("pre_vote", 3, { term: 3, index: 2, logTerm: 2, hintIndex: 2, hintTerm: 2 });
    expect(raft.status()).toMatchObject({ role: "follower", leader: 2, commit: 2 });
  });

  test("does not end a candidacy when no change of membership is in it", () => {
    const { raft, hear, drive } = member([1, 2, 3, 4, 5]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [entry(2, 2)] });
    drive();
    raft.forgetLeader();
    raft.campaign();
    hear("pre_vote_reply", 3, { term: 3, hintIndex: 2, hintTerm: 2 });
    expect(raft.status()).toMatchObject({ role: "pre_candidate", commit: 2 });
  });
});
