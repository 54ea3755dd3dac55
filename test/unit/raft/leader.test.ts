import { describe, expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import type { ConfigChangeStep, RaftMessage } from "../../../src/raft/message.js";
import { bytes, member } from "./lone-member.js";

const told = (messages: readonly RaftMessage[]) => messages.map(({ type, to }) => `${type} ${to}`);
const failed = expect.toSatisfy((cause: unknown) => isClusterError(cause, "failed_precondition"));

/** A leader whose first entry, 2, is committed, and which has told everybody. */
function leader(...group: Parameters<typeof member>) {
  const world = member(...group);
  world.lead();
  for (const other of [...group[0], ...(group[1] ?? [])]) if (other !== 1) world.hear("append_reply", other, { index: 2 });
  world.drive();
  /** Commits a change of membership by the answers of `by`, and puts it in force. */
  const change = (steps: readonly ConfigChangeStep[], by: readonly number[], meanwhile: () => void = () => undefined) => {
    const { lastIndex } = world.raft.proposeConfigChange(bytes("change"));
    world.drive();
    meanwhile();
    for (const from of by) world.hear("append_reply", from, { index: lastIndex });
    const ready = world.raft.ready();
    world.persist(ready);
    const config = world.raft.applyConfigChange(steps);
    world.raft.applied(lastIndex);
    return config;
  };
  return { ...world, change };
}

describe("time", () => {
  test("heartbeats go out once in their period", () => {
    const { raft, drive } = leader([1, 2, 3], [], { heartbeatTicks: 3, electionTicks: 20 });
    const sent = Array.from({ length: 9 }, () => {
      raft.tick();
      return told(drive()).join(", ");
    });
    expect(sent.map((line) => (line === "" ? 0 : line))).toEqual([
      0,
      0,
      "heartbeat 2, heartbeat 3",
      0,
      0,
      "heartbeat 2, heartbeat 3",
      0,
      0,
      "heartbeat 2, heartbeat 3",
    ]);
  });

  test("a new leader has an election timeout to be answered, however long its election took", () => {
    const { raft, hear, drive } = member([1, 2, 3]);
    raft.campaign();
    hear("pre_vote_reply", 2, { term: 2 });
    drive();
    for (let tick = 1; tick < 5; tick++) raft.tick();
    hear("vote_reply", 2);
    drive();
    for (let tick = 1; tick < 5; tick++) raft.tick();
    expect(raft.status().role).toBe("leader");
    raft.tick();
    expect(raft.status()).toMatchObject({ role: "follower", term: 2, leader: 0 });
  });

  test("a member counts as heard of until it was silent from one check of the quorum to the next, a new one until then", () => {
    const { raft, hear, drive, change } = leader([1, 2, 3]);
    change([{ action: "add_learner", raftId: 4 }], [2, 3]);
    const heard = (ticks: number, answering: number) => {
      for (let tick = 0; tick < ticks; tick++) raft.tick();
      hear("heartbeat_reply", answering);
      drive();
      return [1, 2, 3, 4, 9].filter((raftId) => raft.hearsFrom(raftId));
    };
    expect([heard(5, 2), heard(5, 2), heard(5, 3), heard(5, 3)]).toEqual([
      [1, 2, 3, 4, 9],
      [1, 2, 9],
      [1, 2, 3, 9],
      [1, 3, 9],
    ]);
  });

  test("who is being brought up to date and answers has the log up to what it said; who was sent everything, or is silent, does not count", () => {
    const { raft, hear, drive, change } = leader([1, 2, 3]);
    expect(raft.expectedOfAll).toBe(Number.POSITIVE_INFINITY);
    change([{ action: "add_learner", raftId: 4 }], [2, 3]);
    expect(raft.expectedOfAll).toBe(0);
    for (let period = 0; period < 2; period++) {
      for (let tick = 0; tick < 5; tick++) raft.tick();
      hear("heartbeat_reply", 2);
      drive();
    }
    expect([raft.status().role, raft.expectedOfAll]).toEqual(["leader", Number.POSITIVE_INFINITY]);
    hear("heartbeat_reply", 4);
    drive();
    expect(raft.expectedOfAll).toBe(0);
    hear("append_reply", 4, { index: 3 });
    drive();
    expect(raft.expectedOfAll).toBe(Number.POSITIVE_INFINITY);
  });

  test("answers to heartbeats keep a leader, those of learners do not", () => {
    const { raft, hear, drive } = leader([1, 2, 3], [4]);
    for (let tick = 0; tick < 20; tick++) {
      raft.tick();
      hear("heartbeat_reply", 3);
      drive();
    }
    expect(raft.status()).toMatchObject({
      role: "leader",
      progress: new Map([
        [1, { match: 2, recentlyActive: true, isLearner: false }],
        [2, { match: 2, recentlyActive: false, isLearner: false }],
        [3, { match: 2, recentlyActive: true, isLearner: false }],
        [4, { match: 2, recentlyActive: false, isLearner: true }],
      ]),
    });
    for (let tick = 0; tick < 10; tick++) {
      raft.tick();
      hear("heartbeat_reply", 4);
      drive();
    }
    expect(raft.status().role).toBe("follower");
  });
});

describe("a transfer", () => {
  test("to the leader itself is none", () => {
    const { raft, drive } = leader([1, 2, 3]);
    raft.transferLeadership(1);
    expect([raft.transferee, drive()]).toEqual([0, []]);
    expect(raft.propose([bytes("a")]).lastIndex).toBe(3);
  });

  test("that is asked for again does not begin anew; one to another does", () => {
    const { raft, hear, drive } = leader([1, 2, 3]);
    raft.propose([bytes("a")]);
    raft.transferLeadership(2);
    const pass = (ticks: number) => {
      for (let tick = 0; tick < ticks; tick++) {
        raft.tick();
        for (const from of [2, 3]) hear("heartbeat_reply", from);
        drive();
      }
    };
    pass(4);
    raft.transferLeadership(3);
    pass(4);
    expect(raft.transferee).toBe(3);
    raft.transferLeadership(3);
    pass(1);
    expect(raft.transferee).toBe(0);
  });

  test.each([
    [3, 4],
    [4, 0],
  ])("to 4 goes on or is dropped with the removal of %i: %i", (removed, transferee) => {
    const { raft, change } = leader([1, 2, 3, 4]);
    change([{ action: "remove", raftId: removed }], [2, 3], () => raft.transferLeadership(4));
    expect(raft.transferee).toBe(transferee);
  });
});

describe("a change of membership", () => {
  test("that makes the quorum smaller commits what the smaller one has", () => {
    const { raft, hear, drive, change } = leader([1, 2, 3, 4]);
    change([{ action: "remove", raftId: 4 }], [2, 3], () => {
      raft.propose([bytes("a")]);
      drive();
      hear("append_reply", 2, { index: 4 });
      expect(raft.status().commit).toBe(2);
    });
    expect(raft.status().commit).toBe(4);
  });

  test("sends a new member the log at once, and gives it an election timeout to answer", () => {
    const { raft, change, drive, hear } = leader([1]);
    drive();
    change([{ action: "add_voter", raftId: 2 }], []);
    expect(raft.takeMessages().filter(({ to }) => to === 2)).toMatchObject([{ type: "append", index: 2, entries: [{ index: 3 }], commit: 3 }]);
    for (let tick = 0; tick < 5; tick++) raft.tick();
    expect(raft.status().role).toBe("leader");
    hear("append_reply", 2, { index: 2, reject: true });
    for (let tick = 0; tick < 10; tick++) raft.tick();
    expect(raft.status().role).toBe("follower");
  });

  test("is refused while several voters come and go, until that has ended", () => {
    const { raft, change, hear, drive } = leader([1, 2, 3]);
    const joint = change(
      [
        { action: "remove", raftId: 3 },
        { action: "add_voter", raftId: 4 },
      ],
      [2],
    );
    expect(joint).toMatchObject({ voters: [1, 2, 4], votersOutgoing: [1, 2, 3] });
    expect(() => raft.proposeConfigChange(bytes("x"))).toThrow(failed);
    const ends = () =>
      drive()
        .filter(({ type, to }) => type === "append" && to === 2)
        .flatMap(({ entries }) => entries.filter(({ type }) => type === "config_change").map(({ index }) => index));
    expect(ends()).toEqual([4]);
    raft.applied(3);
    expect(ends()).toEqual([]);
    hear("append_reply", 2, { index: 4 });
    expect(() => raft.proposeConfigChange(bytes("x"))).toThrow(failed);
  });

  test("of several voters is ended by a leader that knows by an entry of its own term that no other is to come", () => {
    const { raft, hear, persist } = member([1, 2, 3]);
    hear("append", 2, { term: 2, index: 1, logTerm: 1, entries: [{ index: 2, term: 2, type: "config_change", data: bytes("change") }], commit: 2 });
    const ready = raft.ready();
    raft.forgetLeader();
    persist(ready);
    raft.applyConfigChange([
      { action: "remove", raftId: 3 },
      { action: "add_voter", raftId: 4 },
    ]);
    raft.applied(2);
    raft.campaign();
    for (const from of [2, 3]) hear("pre_vote_reply", from, { term: 3 });
    persist(raft.ready());
    for (const from of [2, 3]) hear("vote_reply", from);
    expect(raft.status()).toMatchObject({ role: "leader", term: 3 });
    raft.applied(2);
    expect(raft.ready().entries.map(({ type }) => type)).toEqual(["normal"]);
  });

  test("that removes the leader leaves it to the voter with the longest log", () => {
    const { raft, hear, drive, persist } = leader([1, 2, 3, 4]);
    const { lastIndex } = raft.proposeConfigChange(bytes("change"));
    raft.propose([bytes("a")]);
    drive();
    hear("append_reply", 2, { index: lastIndex });
    hear("append_reply", 4, { index: lastIndex });
    hear("append_reply", 3, { index: lastIndex + 1 });
    const ready = raft.ready();
    persist(ready);
    raft.takeMessages();
    raft.applyConfigChange([{ action: "remove", raftId: 1 }]);
    expect(told(raft.takeMessages()).filter((line) => line.startsWith("timeout_now"))).toEqual(["timeout_now 3"]);
    expect(raft.status()).toMatchObject({ role: "follower", leader: 0 });
  });
});

describe("what a member acknowledges", () => {
  test("beyond the end of the log is not believed", () => {
    const { raft, hear, drive } = leader([1, 2, 3]);
    hear("append_reply", 2, { index: 9 });
    raft.propose([bytes("a")]);
    drive();
    expect(raft.status()).toMatchObject({
      commit: 2,
      progress: new Map([
        [1, { match: 3, recentlyActive: true, isLearner: false }],
        [2, { match: 2, recentlyActive: true, isLearner: false }],
        [3, { match: 2, recentlyActive: true, isLearner: false }],
      ]),
    });
  });
});

test("what waits for room goes out as soon as there is some, as much as there is room for", () => {
  const { raft, hear, drive } = leader([1, 2], [], { inflightMessagesMax: 4 });
  raft.propose(Array.from({ length: 12 }, () => new Uint8Array(100)));
  const sent = () => drive().flatMap(({ type, entries }) => (type === "append" ? entries.map(({ index }) => index) : []));
  expect(sent()).toEqual([3]);
  hear("append_reply", 2, { index: 3 });
  expect(sent()).toEqual([4, 5, 6, 7]);
  hear("append_reply", 2, { index: 5 });
  expect(sent()).toEqual([8, 9]);
});

describe("a member whose entries are compacted", () => {
  /** Member 3 has entries up to 2 and is behind; the log begins after `compacted`. */
  function behind(compacted: number) {
    const world = leader([1, 2, 3]);
    for (const index of [3, 4, 5, 6]) {
      world.raft.propose([bytes("a")]);
      world.drive();
      world.hear("append_reply", 2, { index });
      world.drive();
    }
    const { config } = world.raft.status();
    world.disk.compact({ meta: { index: compacted, term: 2, config }, state: { index: compacted, digest: 0, registers: new Map() } }, 0);
    const toThird = () => world.drive().filter(({ to, type }) => to === 3 && type !== "heartbeat");
    toThird();
    return { ...world, toThird };
  }

  test("gets a snapshot when it answers, and no sooner", () => {
    const { raft, hear, toThird } = behind(5);
    for (let tick = 0; tick < 6; tick++) {
      raft.tick();
      hear("heartbeat_reply", 2);
    }
    toThird();
    hear("append_reply", 3, { term: 1, index: 2 });
    raft.propose([bytes("b")]);
    expect(toThird().filter(({ type }) => type === "snapshot")).toEqual([]);
    hear("append_reply", 3, { index: 3, reject: true, hintIndex: 2, hintTerm: 2 });
    expect(toThird()).toMatchObject([{ type: "snapshot", snapshot: { index: 5 } }]);
  });

  test("gets none while it is silent, whatever room it has", () => {
    const { raft, disk, hear, drive } = leader([1, 2, 3], [], { inflightMessagesMax: 9 });
    raft.propose(Array.from({ length: 12 }, () => new Uint8Array(100)));
    for (const index of [3, 12, 14]) {
      drive();
      hear("append_reply", 2, { index });
    }
    drive();
    disk.compact({ meta: { index: 14, term: 2, config: raft.status().config }, state: { index: 14, digest: 0, registers: new Map() } }, 0);
    for (let tick = 0; tick < 6; tick++) {
      raft.tick();
      hear("heartbeat_reply", 2);
    }
    raft.propose([bytes("b")]);
    const snapshots = () => drive().filter(({ type }) => type === "snapshot").length;
    expect(snapshots()).toBe(0);
    hear("heartbeat_reply", 3);
    expect(snapshots()).toBe(1);
  });

  test("gets nothing while that is on its way, whatever it acknowledges of before; then what follows", () => {
    const { hear, toThird } = behind(5);
    hear("append_reply", 3, { index: 6, reject: true, hintIndex: 2, hintTerm: 2 });
    expect(toThird()).toMatchObject([{ type: "snapshot" }]);
    hear("append_reply", 3, { index: 3 });
    hear("heartbeat_reply", 3);
    expect(toThird()).toEqual([]);
    hear("append_reply", 3, { index: 4 });
    expect(toThird()).toEqual([]);
    hear("append_reply", 3, { index: 5 });
    expect(toThird()).toMatchObject([{ type: "append", index: 5, entries: [{ index: 6 }] }]);
  });
});

describe("a disk that does not answer", () => {
  test("makes a leader hand over to one of those who have all of its log", () => {
    const { raft, hear, drive } = leader([1, 2, 3, 4], [], { random: { next: () => 0.99 } });
    raft.propose([bytes("a")]);
    raft.ready();
    for (const from of [2, 3, 4]) hear("append_reply", from, { index: 3 });
    drive();
    raft.reportStalled(24);
    expect(raft.transferee).toBe(0);
    raft.reportStalled(25);
    expect(told(raft.takeMessages())).toContain("timeout_now 4");
  });

  test("is none of a follower's business", () => {
    const { raft, drive } = member([1, 2, 3]);
    raft.reportStalled(1_000);
    expect([drive(), raft.transferee, raft.hasCommitNews]).toEqual([[], 0, false]);
  });
});
