import { assert } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";
import type { ConfigChangeStep, ConfigState } from "./message.js";

export const EMPTY_CONFIG: ConfigState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/**
 * The configuration after `steps`. Repeating what is already so changes nothing. Throws ClusterError `invalid_argument` for an
 * id that is not one, and `failed_precondition` for a change that is not safe in one step: more than one voter comes or goes, or none is left.
 */
export function planConfigChange(config: ConfigState, steps: readonly ConfigChangeStep[]): ConfigState {
  assert(config.votersOutgoing.length === 0, "no joint change is under way");
  const voters = new Set(config.voters);
  const learners = new Set(config.learners);
  for (const { action, raftId } of steps) {
    if (!Number.isSafeInteger(raftId) || raftId <= 0) throw new ClusterError("invalid_argument", `${raftId} is not a raft id`);
    voters.delete(raftId);
    learners.delete(raftId);
    if (action === "add_voter") voters.add(raftId);
    if (action === "add_learner") learners.add(raftId);
  }
  if (voters.size === 0 && config.voters.length > 0) throw new ClusterError("failed_precondition", "the last voter cannot be removed");
  if (config.voters.length > 0 && differenceSize(config.voters, voters) > 1) {
    throw new ClusterError("failed_precondition", "more than one voter would change in one step");
  }
  return { ...config, voters: ascending(voters), learners: ascending(learners) };
}

export function isMember(config: ConfigState, raftId: number): boolean {
  return memberIds(config).includes(raftId);
}

/** Everybody who gets the log, each once. */
export function memberIds(config: ConfigState): readonly number[] {
  return ascending(new Set([...config.voters, ...config.learners, ...config.votersOutgoing, ...config.learnersNext]));
}

function differenceSize(before: readonly number[], after: ReadonlySet<number>): number {
  const gone = before.filter((raftId) => !after.has(raftId)).length;
  return gone + after.size - (before.length - gone);
}

function ascending(ids: ReadonlySet<number>): readonly number[] {
  return [...ids].sort((a, b) => a - b);
}
