import type { Core } from "./core.js";
import { takeLeadership } from "./leader.js";
import type { RaftMessage } from "./message.js";
import { isVoter, voteResult } from "./quorum.js";

/**
 * Stands for election, unless this member may not. With pre-vote it first asks whether it could win, so that a member that
 * was cut off does not disturb the others with a high term.
 */
export function campaign(core: Core): void {
  if (mayStand(core)) askPreVotes(core);
}

/** The leader hands over: no pre-vote, and the voters' lease does not count. */
export function campaignByTransfer(core: Core): void {
  if (mayStand(core)) askVotes(core, true);
  else if (core.role !== "follower" || !core.isPromotable) core.transferDeferredTicks = 0;
  // Counted from the first word of it, as the leader does, which repeats it.
  else if (core.transferDeferredTicks === 0) core.transferDeferredTicks = core.electionTicks;
}

/**
 * A change of membership that is committed must be applied first: otherwise votes would be counted by a configuration that is
 * two changes behind another member's, and the two need not overlap.
 */
function mayStand(core: Core): boolean {
  return core.role !== "leader" && core.isPromotable && !core.log.hasUnappliedConfigChange();
}

/** A request or its answer may be lost: whoever has not answered is asked again, which asks for nothing new. */
export function repeatVoteRequests(core: Core): void {
  if (core.role === "pre_candidate") request(core, "pre_vote", core.term + 1);
  if (core.role === "candidate") request(core, "vote", core.term);
}

/** Who is the only voter need not wait whether anybody else leads: nobody else can. */
export function campaignIfAlone(core: Core): void {
  const { voters, votersOutgoing } = core.config;
  if (core.role === "follower" && voters.length === 1 && votersOutgoing.length === 0) campaign(core);
}

/** Counts an answer. Those of another campaign are ignored. */
export function onVoteReply(core: Core, message: RaftMessage): void {
  const isPreVote = core.role === "pre_candidate" && message.type === "pre_vote_reply" && (message.reject || message.term === core.term + 1);
  const isVote = core.role === "candidate" && message.type === "vote_reply";
  if (isPreVote || isVote) countVote(core, message.from, !message.reject);
}

/**
 * Votes, and replies to them, name a committed position: where the own log agrees, all before it is committed here too. That is a fact,
 * whatever the message's term. It ends a candidacy that counts votes by a configuration which is now known to be old.
 *
 * Without it, two members could wait for each other for ever, when one alone knows that a change of membership is committed, and the other has
 * the longer log: a voter that does not know that another one left, or one that does not know that it is a voter itself.
 */
export function learnCommit(core: Core, message: RaftMessage): void {
  if (core.role === "leader" || message.hintTerm === 0 || !core.log.matches({ index: message.hintIndex, term: message.hintTerm })) return;
  core.log.commitTo(message.hintIndex);
  if (core.role !== "follower" && core.log.hasUnappliedConfigChange()) core.becomeFollower(core.term);
}

/** Answers a request for a vote or a pre-vote. At most one vote per term, and only for a log that is up to date. */
export function onVoteRequest(core: Core, message: RaftMessage): void {
  const isPreVote = message.type === "pre_vote";
  const isFree = core.vote === message.from || (core.vote === 0 && core.leader === 0) || (isPreVote && message.term > core.term);
  const isGranted = isFree && core.log.isUpToDate({ index: message.index, term: message.logTerm });
  const type = isPreVote ? "pre_vote_reply" : "vote_reply";
  const committed = committedPosition(core, message.index);
  if (!isGranted) {
    core.send({ type, to: message.from, reject: true, ...committed });
    return;
  }
  if (!isPreVote) {
    core.vote = message.from;
    core.electionElapsed = 0;
  }
  core.send({ type, to: message.from, term: message.term, ...committed });
}

/** What is committed, as far as the other one may have it. */
function committedPosition(core: Core, lastIndex: number): Pick<RaftMessage, "hintIndex" | "hintTerm"> {
  const hintIndex = Math.min(core.log.commitInForce, lastIndex);
  return { hintIndex, hintTerm: core.log.term(hintIndex) ?? 0 };
}

function askPreVotes(core: Core): void {
  core.becomePreCandidate();
  // Nothing is promised by a pre-vote, so the own one counts before anything is durable. Whoever has won by it alone has nobody to ask.
  countVote(core, core.id, true);
  request(core, "pre_vote", core.term + 1);
}

function askVotes(core: Core, forced: boolean): void {
  core.becomeCandidate();
  core.isVoteForced = forced;
  // The own vote counts once it is durable: this reply comes back when it is.
  core.send({ type: "vote_reply", to: core.id });
  request(core, "vote", core.term);
}

/** Asks those who have not answered. */
function request(core: Core, type: "pre_vote" | "vote", term: number): void {
  const { index, term: logTerm } = core.log.last;
  const committed = committedPosition(core, index);
  for (const raftId of new Set([...core.config.voters, ...core.config.votersOutgoing])) {
    if (raftId !== core.id && !core.votes.has(raftId)) core.send({ type, to: raftId, term, index, logTerm, ...committed, forced: core.isVoteForced });
  }
}

function countVote(core: Core, from: number, isGranted: boolean): void {
  if (isVoter(core.config, from) && !core.votes.has(from)) core.votes.set(from, isGranted);
  const result = voteResult(core.config, (raftId) => core.votes.get(raftId));
  if (result === "lost") core.becomeFollower(core.term);
  if (result === "won") {
    if (core.role === "pre_candidate") askVotes(core, false);
    else takeLeadership(core);
  }
}
