import fc from "fast-check";
import { expect, test } from "vitest";
import { quorumIndex, voteResult } from "../../../src/raft/quorum.js";

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });
const indexes = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.integer({ min: 0, max: 20 }));

test.each([
  ["one voter is a majority of itself", [1], { 1: 5 }, 5],
  ["two voters must both have it", [1, 2], { 1: 5, 2: 3 }, 3],
  ["two of three", [1, 2, 3], { 1: 5, 2: 4, 3: 0 }, 4],
  ["three of four", [1, 2, 3, 4], { 1: 9, 2: 9, 3: 4, 4: 0 }, 4],
  ["three of five", [1, 2, 3, 4, 5], { 1: 9, 2: 8, 3: 7, 4: 0, 5: 0 }, 7],
  ["nobody answered", [1, 2, 3], {}, 0],
] as const)("index of a quorum: %s", (_name, voters, acknowledged: Record<number, number>, expected) => {
  expect(quorumIndex({ voters, votersOutgoing: [] }, (raftId) => acknowledged[raftId] ?? 0)).toBe(expected);
});

test("the index of a quorum is the highest that a majority of each set has", () => {
  fc.assert(
    fc.property(ids, fc.option(ids, { nil: [] }), indexes, (voters, votersOutgoing, acknowledged) => {
      const of = (raftId: number) => acknowledged[raftId] ?? 0;
      const isHeld = (index: number) =>
        [voters, votersOutgoing].every((set) => set.length === 0 || set.filter((raftId) => of(raftId) >= index).length * 2 > set.length);
      const index = quorumIndex({ voters, votersOutgoing }, of);
      expect(isHeld(index)).toBe(true);
      expect(isHeld(index + 1)).toBe(false);
    }),
  );
});

test("an election is won exactly when a majority of each set said yes, and lost when that cannot be any more", () => {
  const votes = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean());
  fc.assert(
    fc.property(ids, fc.option(ids, { nil: [] }), votes, (voters, votersOutgoing, given) => {
      const of = (raftId: number): boolean | undefined => given[raftId];
      const couldWin = (isYes: (vote: boolean | undefined) => boolean) =>
        [voters, votersOutgoing].every((set) => set.length === 0 || set.filter((raftId) => isYes(of(raftId))).length * 2 > set.length);
      const expected = couldWin((vote) => vote === true) ? "won" : couldWin((vote) => vote !== false) ? "pending" : "lost";
      expect(voteResult({ voters, votersOutgoing }, of)).toBe(expected);
    }),
  );
});

test("two elections with different yes-voters are never both won", () => {
  fc.assert(
    fc.property(ids, fc.array(fc.constantFrom("a", "b")), (voters, choices) => {
      const of = (candidate: string) => voteResult({ voters, votersOutgoing: [] }, (raftId) => choices[voters.indexOf(raftId)] === candidate);
      expect(of("a") === "won" && of("b") === "won").toBe(false);
    }),
  );
});
