import { expect, test } from "vitest";
import { LeaderReads } from "../../../src/raft/leader-reads.js";

const three = { voters: [1, 2, 3], votersOutgoing: [] };

test("a read is confirmed by a quorum's answers to its round, at the commit of when the round began", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 1, context: 7 });
  reads.beginRound(40);
  expect(reads.takeConfirmed(three, 1)).toEqual([]);
  reads.acknowledge(2, reads.context);
  expect(reads.takeConfirmed(three, 1)).toEqual([{ from: 1, context: 7, index: 40 }]);
  expect([reads.takeConfirmed(three, 1), reads.context]).toEqual([[], 0]);
});

test("an answer to an earlier round confirms nothing later; one to a later round confirms all before", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 1, context: 7 });
  reads.beginRound(40);
  const first = reads.context;
  reads.addOwn({ from: 1, context: 8 });
  reads.beginRound(41);
  reads.acknowledge(2, first);
  expect(reads.takeConfirmed(three, 1).map(({ context }) => context)).toEqual([7]);
  reads.acknowledge(3, first);
  expect(reads.takeConfirmed(three, 1)).toEqual([]);
  reads.acknowledge(3, reads.context);
  expect(reads.takeConfirmed(three, 1).map(({ context }) => context)).toEqual([8]);
});

test("a leader that is no voter needs a majority of the others", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 9, context: 7 });
  reads.beginRound(40);
  reads.acknowledge(2, reads.context);
  expect(reads.takeConfirmed(three, 9)).toEqual([]);
  reads.acknowledge(3, reads.context);
  expect(reads.takeConfirmed(three, 9)).toHaveLength(1);
});

test("a repeated request of a follower waits once; a new one replaces the old", () => {
  const reads = new LeaderReads();
  reads.addRemote({ from: 2, context: 5 });
  reads.addRemote({ from: 2, context: 5 });
  reads.addRemote({ from: 2, context: 6 });
  reads.beginRound(40);
  reads.addRemote({ from: 2, context: 6 });
  expect(reads.hasWaiting).toBe(false);
  reads.acknowledge(3, reads.context);
  expect(reads.takeConfirmed(three, 1)).toEqual([{ from: 2, context: 6, index: 40 }]);
});

test("what is unanswered at the end of leadership is given back", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 1, context: 7 });
  reads.beginRound(40);
  reads.addOwn({ from: 1, context: 8 });
  expect(reads.drain().map(({ context }) => context)).toEqual([7, 8]);
  expect([reads.isRoundUnderWay, reads.hasWaiting]).toEqual([false, false]);
});

test("each follower's request waits by itself, whatever else is under way", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 1, context: 5 });
  reads.addRemote({ from: 2, context: 5 });
  reads.beginRound(40);
  reads.addRemote({ from: 2, context: 5 });
  reads.addRemote({ from: 2, context: 6 });
  reads.addRemote({ from: 3, context: 5 });
  reads.addRemote({ from: 4, context: 5 });
  reads.addRemote({ from: 4, context: 6 });
  reads.addOwn({ from: 1, context: 6 });
  reads.addRemote({ from: 2, context: 7 });
  expect(reads.drain()).toEqual([
    { from: 1, context: 5 },
    { from: 2, context: 5 },
    { from: 3, context: 5 },
    { from: 4, context: 6 },
    { from: 1, context: 6 },
    { from: 2, context: 7 },
  ]);
});

test("answers that come in another order than they were given lose nothing", () => {
  const reads = new LeaderReads();
  reads.addOwn({ from: 1, context: 7 });
  reads.beginRound(40);
  reads.beginRound(41);
  reads.acknowledge(2, 2);
  reads.acknowledge(2, 1);
  reads.acknowledge(2, 0);
  expect(reads.takeConfirmed(three, 1)).toHaveLength(1);
  expect(reads.isRoundUnderWay).toBe(false);
});
