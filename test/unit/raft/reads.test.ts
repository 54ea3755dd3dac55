import { describe, expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import type { RaftMessage } from "../../../src/raft/message.js";
import { bytes, member } from "./lone-member.js";

const told = (messages: readonly RaftMessage[]) => messages.map(({ type, to, context }) => `${type} ${to}${context > 0 ? ` context ${context}` : ""}`);
const rounds = (messages: readonly RaftMessage[]) => told(messages.filter(({ type }) => type === "heartbeat"));

/** A member, and what it may read; everything else that a Ready asks for is done. */
function reader(...group: Parameters<typeof member>) {
  const world = member(...group);
  const served: { readonly context: number; readonly index: number }[] = [];
  /** What was sent, and in `served` what may be read. */
  const drive = () => {
    const sent = [...world.raft.takeMessages()];
    while (world.raft.hasReady()) {
      const ready = world.raft.ready();
      served.push(...ready.readStates);
      world.write(ready);
      sent.push(...ready.messages, ...ready.messagesAfterPersist, ...world.raft.takeMessages());
    }
    return sent;
  };
  return { ...world, drive, served };
}

/** A leader whose first entry, 2, is committed. */
function leader(...group: Parameters<typeof member>) {
  const world = reader(...group);
  world.lead();
  for (const voter of group[0].slice(1)) world.hear("append_reply", voter, { index: 2 });
  world.raft.tellCommit();
  world.drive();
  return world;
}

describe("a leader that has committed nothing in its term", () => {
  test("begins no round for its own reads, at a heartbeat neither", () => {
    const { raft, hear, drive, lead, served } = reader([1, 2, 3]);
    lead();
    raft.readIndex(7);
    raft.tick();
    expect(rounds(drive())).toEqual(["heartbeat 2", "heartbeat 3"]);
    for (const from of [2, 3]) hear("heartbeat_reply", from);
    drive();
    expect(served).toEqual([]);
    hear("append_reply", 2, { index: 2 });
    expect(rounds(drive())).toEqual(["heartbeat 2 context 1", "heartbeat 3 context 1"]);
    hear("heartbeat_reply", 3, { context: 1 });
    drive();
    expect(served).toEqual([{ context: 7, index: 2 }]);
  });

  test("answers nobody else's, although the two are a quorum", () => {
    const { hear, drive, lead } = reader([1, 2]);
    lead();
    hear("read_index", 2, { context: 9 });
    expect(drive().filter(({ type }) => type === "read_index_reply")).toEqual([]);
    hear("append_reply", 2, { index: 2 });
    hear("heartbeat_reply", 2, { context: 1 });
    expect(told(drive())).toContain("read_index_reply 2 context 9");
  });
});

describe("rounds of heartbeats", () => {
  test("a read that comes during one begins the next as soon as that is answered", () => {
    const { raft, hear, drive, served } = leader([1, 2, 3]);
    raft.readIndex(7);
    raft.readIndex(8);
    expect(rounds(drive())).toEqual(["heartbeat 2 context 1", "heartbeat 3 context 1"]);
    hear("heartbeat_reply", 2, { context: 1 });
    expect(rounds(drive())).toEqual(["heartbeat 2 context 2", "heartbeat 3 context 2"]);
    expect(served.map(({ context }) => context)).toEqual([7]);
    hear("heartbeat_reply", 3, { context: 2 });
    drive();
    expect(served.map(({ context }) => context)).toEqual([7, 8]);
  });

  test("or with the next heartbeat, when it is not; its answer is one to the round before as well", () => {
    const { raft, hear, drive, served } = leader([1, 2, 3]);
    raft.readIndex(7);
    raft.readIndex(8);
    drive();
    raft.tick();
    expect(rounds(drive())).toEqual(["heartbeat 2 context 2", "heartbeat 3 context 2"]);
    raft.tick();
    expect(rounds(drive())).toEqual(["heartbeat 2 context 2", "heartbeat 3 context 2"]);
    hear("heartbeat_reply", 2, { context: 2 });
    drive();
    expect(served.map(({ context }) => context)).toEqual([7, 8]);
  });

  test("who is no member answers none and is not answered", () => {
    const { raft, hear, drive, served } = leader([1, 2, 3]);
    raft.readIndex(7);
    drive();
    hear("heartbeat_reply", 9, { context: 1 });
    hear("read_index", 9, { context: 5 });
    raft.tick();
    drive();
    expect(served).toEqual([]);
    hear("heartbeat_reply", 2, { context: 1 });
    hear("heartbeat_reply", 2, { context: 2 });
    expect(drive().filter(({ to }) => to === 9)).toEqual([]);
    expect(served).toEqual([{ context: 7, index: 2 }]);
  });

  test("a read of another member is answered after the news of what it must see; one of the leader's own tells nobody", () => {
    const { raft, hear, drive, served } = leader([1, 2, 3, 4, 5]);
    raft.propose([bytes("a")]);
    drive();
    for (const from of [2, 3]) hear("append_reply", from, { index: 3 });
    raft.readIndex(7);
    drive();
    for (const from of [2, 3]) hear("heartbeat_reply", from, { context: 1 });
    expect(told(drive()).filter((line) => line.startsWith("append"))).toEqual([]);
    expect(served).toEqual([{ context: 7, index: 3 }]);
    hear("read_index", 2, { context: 5 });
    drive();
    for (const from of [3, 4]) hear("heartbeat_reply", from, { context: 2 });
    expect(drive().filter(({ to }) => to === 2)).toMatchObject([
      { type: "append", entries: [], commit: 3 },
      { type: "read_index_reply", context: 5, index: 3 },
    ]);
  });
});

describe("who does not lead", () => {
  test("asks the leader, and again at each heartbeat until it is answered; an old answer is none", () => {
    const { raft, hear, drive, served } = reader([1, 2, 3], [], { heartbeatTicks: 2 });
    hear("heartbeat", 2, { term: 2 });
    drive();
    raft.readIndex(7);
    const [{ context: first } = { context: 0 }] = drive();
    raft.readIndex(8);
    expect(drive()).toEqual([]);
    raft.tick();
    expect(drive()).toEqual([]);
    raft.tick();
    expect(drive()).toMatchObject([{ type: "read_index", to: 2, context: first }]);
    hear("read_index_reply", 2, { context: first - 1, index: 1 });
    drive();
    expect(served).toEqual([]);
    hear("read_index_reply", 2, { context: first, index: 1 });
    expect(drive()).toMatchObject([{ type: "read_index", to: 2, context: first + 1 }]);
    hear("read_index_reply", 2, { context: first, index: 1 });
    drive();
    expect(served).toEqual([{ context: 7, index: 1 }]);
    hear("read_index_reply", 2, { context: first + 1, index: 1 });
    drive();
    expect(served.map(({ context }) => context)).toEqual([7, 8]);
    raft.tick();
    raft.tick();
    expect(drive()).toEqual([]);
  });

  test("asks nobody while none leads, and the next leader at once", () => {
    const { raft, hear, drive } = reader([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    drive();
    raft.readIndex(7);
    raft.readIndex(8);
    const [{ context } = { context: 0 }] = drive();
    raft.forgetLeader();
    raft.tick();
    hear("read_index_reply", 2, { context, index: 1 });
    expect(drive()).toEqual([]);
    hear("heartbeat", 3, { term: 3 });
    expect(told(drive())).toEqual([expect.stringMatching(/^read_index 3 context/), "heartbeat_reply 3"]);
  });

  test("answers what waits itself, once it leads", () => {
    const { raft, hear, drive, served } = reader([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    raft.readIndex(7);
    raft.readIndex(8);
    drive();
    raft.forgetLeader();
    raft.campaign();
    hear("pre_vote_reply", 3, { term: 3 });
    drive();
    hear("vote_reply", 3);
    drive();
    hear("append_reply", 3, { index: 2 });
    drive();
    hear("heartbeat_reply", 3, { context: 1 });
    drive();
    expect(served).toEqual([7, 8].map((context) => ({ context, index: 2 })));
    hear("heartbeat", 2, { term: 4 });
    expect(told(drive())).toEqual(["heartbeat_reply 2"]);
  });

  test("of what it had to answer when it led, goes on with its own", () => {
    const { raft, hear, drive, served } = leader([1, 2, 3, 4, 5]);
    raft.readIndex(7);
    hear("read_index", 2, { context: 99 });
    drive();
    hear("heartbeat", 3, { term: 3 });
    const [{ context } = { context: 0 }] = drive().filter(({ type }) => type === "read_index");
    hear("read_index_reply", 3, { context, index: 2 });
    expect(drive()).toEqual([]);
    expect(served).toEqual([{ context: 7, index: 2 }]);
  });

  test("takes 100,000 reads beside those under way, and refuses more", () => {
    const { raft, hear } = reader([1, 2, 3]);
    hear("heartbeat", 2, { term: 2 });
    for (let context = 0; context <= 100_000; context++) raft.readIndex(context);
    expect(() => raft.readIndex(100_001)).toThrow(expect.toSatisfy((cause: unknown) => isClusterError(cause, "unavailable")));
  });
});
