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
  const incoming = majorityVote(config.voters, vote);
  const outgoing = majorityVote(config.votersOutgoing, vote);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

/** In either configuration of a joint one. */
export function isVoter(config: VoterSets, raftId: number): boolean {
  return config.voters.includes(raftId) || config.votersOutgoing.includes(raftId);
}

function majorityIndex(voters: readonly number[], acknowledged: (raftId: number) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const indexes = voters.map(acknowledged);
  const needed = majorityOf(voters);
  let highest = 0;
  for (const index of indexes) if (index > highest && countAtLeast(indexes, index) >= needed) highest = index;
  return highest;
}

function majorityVote(voters: readonly number[], vote: (raftId: number) => boolean | undefined): VoteResult {
  let consents = 0;
  let refusals = 0;
  for (const raftId of voters) {
    const answer = vote(raftId);
    if (answer === true) consents++;
    else if (answer === false) refusals++;
  }
  const needed = majorityOf(voters);
  if (voters.length === 0 || consents >= needed) return "won";
  return voters.length - refusals >= needed ? "pending" : "lost";
}

function countAtLeast(indexes: readonly number[], index: number): number {
  let count = 0;
  for (const other of indexes) if (other >= index) count++;
  return count;
}

function majorityOf(voters: readonly number[]): number {
  return Math.floor(voters.length / 2) + 1;
}
