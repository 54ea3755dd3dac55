import { describe, expect, test } from "vitest";
import { EMPTY_CONFIG } from "../../../src/raft/config-change.js";
import type { RaftMessage } from "../../../src/raft/message.js";
import { bytes, member } from "./lone-member.js";

const entry = (index: number, term: number, type: "normal" | "config_change" = "normal") => ({ index, term, type, data: bytes("") });
const config = { ...EMPTY_CONFIG, voters: [1, 2, 3] };

/** A follower of member 2 in term 2, with entries 2 to 4 and all up to `commit` committed. */
function follower(commit: number, ...group: Parameters<typeof member>) {
  const world = member(...group);
  world.hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [2, 3, 4].map((index) => entry(index, 2)), commit });
  world.drive();
  return world;
}

describe("heartbeats", () => {
  const answers = (messages: readonly RaftMessage[]) => messages.filter(({ type }) => type === "heartbeat_reply").length;

  test("tell what is committed, and keep a follower from standing", () => {
    const { raft, hear, drive } = follower(2, [1, 2, 3]);
    for (const commit of [3, 2, 4]) {
      for (let tick = 1; tick < 5; tick++) raft.tick();
      hear("heartbeat", 2, { commit });
    }
    expect(drive().filter(({ type }) => type === "pre_vote")).toEqual([]);
    expect(raft.status()).toMatchObject({ role: "follower", leader: 2, commit: 4 });
  });

  test("that need no answer get one three times in an election timeout", () => {
    const { hear, drive } = follower(4, [1, 2, 3], [], { electionTicks: 25, heartbeatTicks: 2 });
    const told = () => {
      hear("heartbeat", 2, { commit: 4 });
      return answers(drive());
    };
    expect(Array.from({ length: 12 }, told)).toEqual([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });

  test("are all answered where an election timeout has but few of them", () => {
    const { hear, drive } = follower(4, [1, 2, 3], [], { electionTicks: 5, heartbeatTicks: 4 });
    for (let count = 0; count < 3; count++) hear("heartbeat", 2, { commit: 4 });
    expect(answers(drive())).toBe(3);
  });

  test("that confirm a read, or do not reach the end of the log, are answered at once, and begin the count anew", () => {
    const { hear, drive } = follower(3, [1, 2, 3], [], { electionTicks: 24 });
    const told = (commit: number, context = 0) => {
      hear("heartbeat", 2, { commit, context });
      return answers(drive());
    };
    expect([told(3), told(3), told(4, 7), told(4), told(4), told(4, 8)]).toEqual([1, 1, 1, 0, 0, 1]);
    expect(Array.from({ length: 8 }, () => told(4))).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
  });

  test("of another leader begin the count anew", () => {
    const { hear, drive } = follower(4, [1, 2, 3], [], { electionTicks: 24 });
    for (let count = 0; count < 7; count++) hear("heartbeat", 2, { commit: 4 });
    expect(answers(drive())).toBe(0);
    hear("heartbeat", 3, { term: 3, commit: 4 });
    expect(answers(drive())).toBe(0);
  });
});

describe("appends", () => {
  test("before what is committed are answered with it", () => {
    const { hear, drive } = follower(3, [1, 2, 3]);
    hear("append", 2, { index: 1, logTerm: 1, entries: [entry(2, 2), entry(3, 2), entry(4, 2)], commit: 4 });
    expect(drive()).toMatchObject([{ type: "append_reply", to: 2, index: 3, reject: false }]);
  });

  test("that disagree are refused with the last position of no later term, at or before theirs", () => {
    const { hear, drive } = member([1, 2, 3]);
    hear("append", 2, { term: 3, index: 1, logTerm: 1, entries: [entry(2, 2), entry(3, 3), entry(4, 3)] });
    drive();
    hear("append", 3, { term: 5, index: 3, logTerm: 2 });
    hear("append", 3, { index: 2, logTerm: 4 });
    hear("append", 3, { index: 9, logTerm: 4 });
    expect(drive()).toMatchObject([
      { type: "append_reply", index: 3, reject: true, hintIndex: 2, hintTerm: 2 },
      { type: "append_reply", index: 2, reject: true, hintIndex: 2, hintTerm: 2 },
      { type: "append_reply", index: 9, reject: true, hintIndex: 4, hintTerm: 3 },
    ]);
  });

  test("of an earlier term are answered with the term", () => {
    const { hear, drive } = follower(4, [1, 2, 3]);
    hear("append", 3, { term: 1, index: 4, logTerm: 2, entries: [entry(5, 1)] });
    expect(drive()).toMatchObject([{ type: "append_reply", to: 3, term: 2, reject: true }]);
  });
});

describe("snapshots", () => {
  test("of what is committed change nothing, whatever else they say", () => {
    const { raft, hear, drive } = follower(3, [1, 2, 3]);
    for (const snapshot of [{ index: 2, term: 2, config }, { index: 3, term: 2, config }, { index: 9, term: 2, config: null }, null])
      hear("snapshot", 2, { snapshot });
    expect(raft.ready()).toMatchObject({ snapshot: null, messagesAfterPersist: [2, 2].map((to) => ({ type: "append_reply", to, index: 3, reject: false })) });
    expect(drive()).toEqual([]);
  });

  test("of what is in the log only say that it is committed", () => {
    const { raft, hear } = follower(3, [1, 2, 3]);
    hear("snapshot", 2, { snapshot: { index: 4, term: 2, config } });
    expect(raft.ready()).toMatchObject({ snapshot: null, committed: [{ index: 4 }], messagesAfterPersist: [{ index: 4 }] });
  });

  test("of another log replace it, and who was to apply changes of membership before it has none any more", () => {
    const { raft, hear, disk, persist, write } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [entry(2, 2, "config_change"), entry(3, 2)], commit: 2 });
    const before = raft.ready();
    persist(before);
    const meta = { index: 9, term: 3, config: { ...config, voters: [1, 2, 3, 4] } };
    hear("snapshot", 2, { snapshot: meta });
    raft.campaign();
    expect(raft.status().role).toBe("follower");
    const ready = raft.ready();
    expect(ready).toMatchObject({ mustSync: true, snapshot: { index: 9 }, entries: [], messagesAfterPersist: [{ index: 9 }] });
    disk.begin(ready, { meta, state: { index: 9, digest: 0, registers: new Map() } });
    disk.complete();
    raft.persisted(ready);
    expect(raft.status()).toMatchObject({ commit: 9, applied: 9, config: { voters: [1, 2, 3, 4] } });
    raft.applied(9);
    hear("snapshot", 2, { snapshot: { index: 5, term: 2, config } });
    const stale = raft.ready();
    expect(stale).toMatchObject({ snapshot: null, messagesAfterPersist: [{ type: "append_reply", index: 9, reject: false }] });
    write(stale);
    raft.campaign();
    expect(raft.status().role).toBe("pre_candidate");
    hear("append", 2, { index: 9, logTerm: 3, entries: [entry(10, 3)], commit: 10 });
    write(raft.ready());
    raft.forgetLeader();
    hear("pre_vote", 3, { term: 3, index: 20, logTerm: 9 });
    expect(raft.takeMessages()).toMatchObject([{ type: "pre_vote_reply", hintIndex: 10, hintTerm: 3 }]);
  });
});

test("a snapshot that comes while an earlier one is written is written next", () => {
  const { raft, hear, disk } = member([1, 2, 3]);
  const write = (index: number) => {
    const ready = raft.ready();
    expect(ready.snapshot).toMatchObject({ index });
    disk.begin(ready, { meta: { index, term: 2, config }, state: { index, digest: 0, registers: new Map() } });
    if (index === 5) hear("snapshot", 2, { snapshot: { index: 9, term: 2, config } });
    disk.complete();
    raft.persisted(ready);
  };
  hear("snapshot", 2, { term: 2, snapshot: { index: 5, term: 2, config } });
  write(5);
  write(9);
  expect(raft.status()).toMatchObject({ commit: 9, applied: 9 });
});

describe("what has to be synced", () => {
  test("entries, a snapshot, a term, a vote, and a change of membership that is committed; not how much else is", () => {
    const { raft, hear, write } = member([1, 2, 3]);
    const next = () => {
      const ready = raft.ready();
      if (ready.snapshot === null) write(ready);
      return ready.mustSync;
    };
    const synced: Record<string, boolean> = {};
    hear("heartbeat", 2, { term: 2 });
    synced.term = next();
    hear("append", 2, { index: 1, logTerm: 1, entries: [entry(2, 2), entry(3, 2), entry(4, 2, "config_change"), entry(5, 2)] });
    synced.entries = next();
    hear("heartbeat", 2, { commit: 2 });
    synced.commit = next();
    hear("heartbeat", 2, { commit: 5 });
    synced.change = next();
    raft.forgetLeader();
    hear("vote", 3, { term: 3, index: 5, logTerm: 2 });
    synced["term and vote"] = next();
    hear("snapshot", 3, { snapshot: { index: 9, term: 3, config } });
    synced.snapshot = next();
    expect(synced).toEqual({ term: true, entries: true, commit: false, change: true, "term and vote": true, snapshot: true });
  });

  test("a vote in a term that is durable already", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    hear("pre_vote_reply", 2, { term: 2, reject: true });
    drive();
    hear("vote", 3, { index: 1, logTerm: 1 });
    expect(raft.ready()).toMatchObject({ hardState: { term: 2, vote: 3 }, mustSync: true });
  });
});
