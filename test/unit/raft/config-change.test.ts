import fc from "fast-check";
import { expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import { EMPTY_CONFIG, memberIds, planConfigChange } from "../../../src/raft/config-change.js";
import type { ConfigChangeAction, ConfigChangeStep, ConfigState } from "../../../src/raft/message.js";

const config = (voters: number[], learners: number[] = []): ConfigState => ({ ...EMPTY_CONFIG, voters, learners });
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
  ["the last voter is removed", config([1], [2]), [step("remove", 1)], "failed_precondition"],
  ["two voters are added", config([1]), [step("add_voter", 2), step("add_voter", 3)], "failed_precondition"],
  ["one voter takes another's place", config([1, 2, 3]), [step("add_voter", 4), step("remove", 1)], "failed_precondition"],
  ["an id is zero", config([1]), [step("add_voter", 0)], "invalid_argument"],
  ["an id is past the safe integers", config([1]), [step("add_voter", 2 ** 53)], "invalid_argument"],
] as const)("refused: %s", (_name, before, steps, code) => {
  expect(() => planConfigChange(before, steps)).toThrow(expect.toSatisfy((cause: unknown) => isClusterError(cause, code)));
});

test("whatever the steps, nobody is voter and learner at once, and old and new quorums overlap", () => {
  const id = fc.integer({ min: 1, max: 6 });
  const anyStep = fc.record({ action: fc.constantFrom<ConfigChangeAction>("add_voter", "add_learner", "remove"), raftId: id });
  fc.assert(
    fc.property(fc.uniqueArray(id, { minLength: 1 }), fc.array(anyStep, { maxLength: 4 }), (voters, steps) => {
      const before = config(voters);
      let after: ConfigState;
      try {
        after = planConfigChange(before, steps);
      } catch (cause) {
        expect(isClusterError(cause)).toBe(true);
        return;
      }
      expect(new Set(memberIds(after)).size).toBe(after.voters.length + after.learners.length);
      const majority = (size: number) => Math.floor(size / 2) + 1;
      const everybody = new Set([...before.voters, ...after.voters]).size;
      expect(majority(before.voters.length) + majority(after.voters.length)).toBeGreaterThan(everybody);
    }),
  );
});
