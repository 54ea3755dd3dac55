import type { ConfigState } from "./message.js";

/** The two voter sets that decide. Outside a joint change the outgoing one is empty and agrees with everything. */
export type VoterSets = Pick<ConfigState, "voters" | "votersOutgoing">;

export type VoteResult = "won" | "lost" | "pending";

/** The highest index that a majority of each voter set has acknowledged; Infinity when both are empty. */
export function quorumIndex(config: VoterSets, acknowledged: (raftId: number) => number): number {
  return Math.min(majorityIndex(config.voters, acknowledged), majorityIndex(config.votersOutgoing, acknowledged));
}

/** The outcome of an election so far; `vote` is undefined for a voter that has not answered. */
export function voteResult(config: VoterSets, vote: (raftId: number) => boolean | undefined): VoteResult {
  const results = [majorityVote(config.voters, vote), majorityVote(config.votersOutgoing, vote)];
  if (results.includes("lost")) return "lost";
  return results.includes("pending") ? "pending" : "won";
}

/** In either configuration of a joint one. */
export function isVoter(config: VoterSets, raftId: number): boolean {
  return config.voters.includes(raftId) || config.votersOutgoing.includes(raftId);
}

function majorityIndex(voters: readonly number[], acknowledged: (raftId: number) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const ascending = voters.map(acknowledged).sort((a, b) => a - b);
  // Of n sorted values, the one at n - majority is reached by exactly a majority or more.
  return ascending[voters.length - majorityOf(voters)] ?? 0;
}

function majorityVote(voters: readonly number[], vote: (raftId: number) => boolean | undefined): VoteResult {
  const answers = voters.map(vote);
  const needed = majorityOf(voters);
  if (voters.length === 0 || answers.filter((answer) => answer === true).length >= needed) return "won";
  return answers.filter((answer) => answer !== false).length >= needed ? "pending" : "lost";
}

function majorityOf(voters: readonly number[]): number {
  return Math.floor(voters.length / 2) + 1;
}
