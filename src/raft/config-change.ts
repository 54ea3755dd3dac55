import { ClusterError } from "../base/errors.js";
import type { ConfigChangeStep, ConfigState } from "./message.js";

export const EMPTY_CONFIG: ConfigState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/**
 * The configuration after `steps`. Repeating what is already so changes nothing. One voter may come or go at once: old and new majorities
 * overlap. For more, a joint configuration comes first (Raft thesis, section 4.3), in which majorities of the old and of the new voters must both
 * agree; the leader ends it by an entry without steps, once it is in force.
 *
 * Throws ClusterError `invalid_argument` for an id that is not one, and `failed_precondition` when no voter would be left or a joint change is
 * under way.
 */
export function planConfigChange(config: ConfigState, steps: readonly ConfigChangeStep[]): ConfigState {
  if (isJoint(config)) {
    if (steps.length > 0) throw new ClusterError("failed_precondition", "a change of several voters is under way");
    return leaveJoint(config);
  }
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
  const next = { ...config, voters: ascending(voters), learners: ascending(learners) };
  return config.voters.length > 0 && differenceSize(config.voters, voters) > 1 ? enterJoint(config, next) : next;
}

/** Whether two sets of voters decide. */
export function isJoint(config: ConfigState): boolean {
  return config.votersOutgoing.length > 0;
}

/** Voter of either configuration, or learner. */
export function isMember(config: ConfigState, raftId: number): boolean {
  return memberIds(config).includes(raftId);
}

/** Everybody who gets the log, each once. */
export function memberIds(config: ConfigState): readonly number[] {
  return ascending(new Set([...config.voters, ...config.learners, ...config.votersOutgoing, ...config.learnersNext]));
}

/** Who is still a voter of the old set is no learner before that set is gone. */
function enterJoint(before: ConfigState, after: ConfigState): ConfigState {
  const isOutgoing = (raftId: number) => before.voters.includes(raftId);
  return {
    voters: after.voters,
    votersOutgoing: before.voters,
    learners: after.learners.filter((raftId) => !isOutgoing(raftId)),
    learnersNext: after.learners.filter(isOutgoing),
    autoLeave: true,
  };
}

function leaveJoint({ voters, learners, learnersNext }: ConfigState): ConfigState {
  return { voters, learners: ascending(new Set([...learners, ...learnersNext])), votersOutgoing: [], learnersNext: [], autoLeave: false };
}

function differenceSize(before: readonly number[], after: ReadonlySet<number>): number {
  const gone = before.filter((raftId) => !after.has(raftId)).length;
  return gone + after.size - (before.length - gone);
}

function ascending(ids: ReadonlySet<number>): readonly number[] {
  return [...ids].sort((a, b) => a - b);
}
