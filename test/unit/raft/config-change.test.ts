import fc from "fast-check";
import { expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import { EMPTY_CONFIG, isJoint, planConfigChange } from "../../../src/raft/config-change.js";
import type { ConfigChangeAction, ConfigChangeStep, ConfigState } from "../../../src/raft/message.js";
import { isVoter, voteResult } from "../../../src/raft/quorum.js";

const config = (voters: number[], learners: number[] = []): ConfigState => ({ ...EMPTY_CONFIG, voters, learners });
const joint = (voters: number[], votersOutgoing: number[], learners: number[] = [], learnersNext: number[] = []): ConfigState => ({
  voters,
  votersOutgoing,
  learners,
  learnersNext,
  autoLeave: true,
});
const step = (action: ConfigChangeAction, raftId: number): ConfigChangeStep => ({ action, raftId });

test.each([
  ["a voter is added", config([1]), [step("add_voter", 2)], config([1, 2])],
  ["a learner is added", config([1]), [step("add_learner", 2)], config([1], [2])],
  ["a learner is promoted", config([1], [2]), [step("add_voter", 2)], config([1, 2])],
  ["a voter is demoted", config([1, 2]), [step("add_learner", 2)], config([1], [2])],
  ["a voter is removed", config([1, 2, 3]), [step("remove", 1)], config([2, 3])],
  ["a learner is removed", config([1], [2]), [step("remove", 2)], config([1])],
  ["what is already so stays", config([1, 2]), [step("add_voter", 2)], config([1, 2])],
  ["who is not there is not removed", config([1, 2]), [step("remove", 3)], config([1, 2])],
  ["several learners and one voter in one change", config([1]), [step("add_learner", 2), step("add_learner", 3), step("add_voter", 4)], config([1, 4], [2, 3])],
  ["ids are in order", config([2, 10]), [step("add_voter", 9)], config([2, 9, 10])],
  ["no steps change nothing", config([1]), [], config([1])],
])("%s", (_name, before, steps, after) => {
  expect(planConfigChange(before, steps)).toEqual(after);
});

test.each([
  ["two voters are added", config([1]), [step("add_voter", 2), step("add_voter", 3)], joint([1, 2, 3], [1])],
  ["two learners are promoted", config([1], [2, 3]), [step("add_voter", 2), step("add_voter", 3)], joint([1, 2, 3], [1])],
  ["one voter takes another's place", config([1, 2, 3]), [step("add_voter", 4), step("remove", 1)], joint([2, 3, 4], [1, 2, 3])],
  [
    "a voter becomes a learner when the old voters are gone",
    config([1, 2, 3]),
    [step("add_voter", 4), step("add_learner", 1)],
    joint([2, 3, 4], [1, 2, 3], [], [1]),
  ],
  ["all voters are replaced", config([1, 2]), [1, 2].flatMap((id) => [step("remove", id), step("add_voter", id + 2)]), joint([3, 4], [1, 2])],
  ["a joint configuration is left", joint([2, 3, 4], [1, 2, 3], [5], [1]), [], config([2, 3, 4], [1, 5])],
])("several voters at once: %s", (_name, before, steps, after) => {
  expect(planConfigChange(before, steps)).toEqual(after);
});

test.each([
  ["the last voter is removed", config([1], [2]), [step("remove", 1)], "failed_precondition"],
  ["another change while a joint one is under way", joint([1, 2, 3], [1]), [step("add_voter", 4)], "failed_precondition"],
  ["all voters become learners", config([1, 2]), [step("add_learner", 1), step("add_learner", 2)], "failed_precondition"],
  ["an id is zero", config([1]), [step("add_voter", 0)], "invalid_argument"],
  ["an id is past the safe integers", config([1]), [step("add_voter", 2 ** 53)], "invalid_argument"],
] as const)("refused: %s", (_name, before, steps, code) => {
  expect(() => planConfigChange(before, steps)).toThrow(expect.toSatisfy((cause: unknown) => isClusterError(cause, code)));
});

const id = fc.integer({ min: 1, max: 6 });
const ids = fc.uniqueArray(id);
const anyStep = fc.record({ action: fc.constantFrom<ConfigChangeAction>("add_voter", "add_learner", "remove"), raftId: id });
const anyConfig = fc.tuple(fc.uniqueArray(id, { minLength: 1 }), ids).map(([voters, others]) =>
  config(
    voters.sort((a, b) => a - b),
    others.filter((other) => !voters.includes(other)).sort((a, b) => a - b),
  ),
);

/** Null when the change is refused, which it is in one way only. */
function planned(before: ConfigState, steps: readonly ConfigChangeStep[]): ConfigState | null {
  try {
    return planConfigChange(before, steps);
  } catch (cause) {
    expect(isClusterError(cause, "failed_precondition")).toBe(true);
    return null;
  }
}

test("whatever the steps, nobody who counts is a learner, and the end is the same as that of one step after the other", () => {
  fc.assert(
    fc.property(anyConfig, fc.array(anyStep, { maxLength: 6 }), (before, steps) => {
      const after = planned(before, steps);
      if (after === null) return;
      expect(after.learners.filter((learner) => isVoter(after, learner))).toEqual([]);
      expect(after.learnersNext.filter((learner) => !after.votersOutgoing.includes(learner) || after.voters.includes(learner))).toEqual([]);
      const left = isJoint(after) ? planConfigChange(after, []) : after;
      expect([isJoint(left), left.autoLeave, left.learnersNext]).toEqual([false, false, []]);
      const roles = new Map<number, ConfigChangeAction>([
        ...before.voters.map((voter) => [voter, "add_voter"] as const),
        ...before.learners.map((learner) => [learner, "add_learner"] as const),
        ...steps.map(({ raftId, action }) => [raftId, action] as const),
      ]);
      const having = (action: ConfigChangeAction) => [...roles].filter(([, role]) => role === action).map(([raftId]) => raftId);
      const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);
      expect(left).toEqual(config(sorted(having("add_voter")), sorted(having("add_learner"))));
    }),
  );
});

test("any two configurations that follow each other cannot decide without a voter in common", () => {
  const cannotBothWin = (one: ConfigState, other: ConfigState, choices: readonly boolean[]) => {
    const isForOne = (raftId: number) => choices[raftId] === true;
    const both = voteResult(one, isForOne) === "won" && voteResult(other, (raftId) => !isForOne(raftId)) === "won";
    expect(both).toBe(false);
  };
  fc.assert(
    fc.property(anyConfig, fc.array(anyStep, { maxLength: 6 }), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (before, steps, choices) => {
      const after = planned(before, steps);
      if (after === null) return;
      cannotBothWin(before, after, choices);
      cannotBothWin(after, before, choices);
      if (!isJoint(after)) return;
      const left = planConfigChange(after, []);
      cannotBothWin(after, left, choices);
      cannotBothWin(left, after, choices);
    }),
  );
});
