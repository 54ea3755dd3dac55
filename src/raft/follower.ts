import { ClusterError } from "../base/errors.js";
import { campaign, campaignByTransfer, repeatVoteRequests } from "./election.js";
import type { Core } from "./core.js";
import type { Entry, RaftMessage } from "./message.js";

/** Time passes for everybody but the leader. */
export function tickFollower(core: Core): void {
  if (++core.heartbeatElapsed >= core.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    core.repeatReads();
    repeatVoteRequests(core);
  }
  if (core.transferDeferredTicks > 0) core.transferDeferredTicks--;
  if (++core.electionElapsed < core.electionTimeout) return;
  // Whoever may not stand still stops trusting the leader, so that it can vote for another.
  core.leader = 0;
  campaign(core);
}

/** A message of the term's leader: whoever stood for election gives way. */
export function stepFromLeader(core: Core, message: RaftMessage): void {
  if (core.role !== "follower") core.becomeFollower(core.term);
  core.followLeader(message.from);
  core.electionElapsed = 0;
  if (message.type === "heartbeat") onHeartbeat(core, message);
  else if (message.type === "append") onAppend(core, message);
  else if (message.type === "snapshot") onSnapshot(core, message);
}

/** The leader hands its leadership to this member: it campaigns at once, without pre-vote. */
export function onTimeoutNow(core: Core): void {
  if (core.role === "follower") campaignByTransfer(core);
}

/** The leader answered a read request of this member. */
export function onReadIndexReply(core: Core, message: RaftMessage): void {
  for (const context of core.forwardedReads.settle(message.context)) core.readStates.push({ context, index: message.index });
  core.forwardReads();
}

/**
 * A leader for whom this member lacks nothing learns from an answer only that it is alive, which it asks once in an election timeout: a few
 * answers in that time do. Whoever waits for a read, or for what may have been lost, is answered at once.
 */
function onHeartbeat(core: Core, message: RaftMessage): void {
  requireAcknowledged(core, message.commit);
  core.log.commitTo(message.commit);
  const isQuiet = message.context === 0 && message.commit === core.log.lastIndex;
  if (isQuiet && ++core.heartbeatsUnanswered < core.heartbeatsPerAnswer) return;
  core.heartbeatsUnanswered = 0;
  core.send({ type: "heartbeat_reply", to: message.from, context: message.context });
}

/** A heartbeat tells a commit only as far as this member has acknowledged the log. What is not in it any more cannot have been lost in a crash: all of it had been synced. */
function requireAcknowledged(core: Core, commit: number): void {
  const { lastIndex } = core.log;
  if (commit <= lastIndex) return;
  throw new ClusterError(
    "failed_precondition",
    `the raft log ends at entry ${lastIndex}, and this member had acknowledged entry ${commit}: its data root was put back to an earlier state, or its disk lost writes; ` +
      "it must not take part again: demote it on another manager, and promote it once it is a worker: it becomes a new member",
  );
}

function onAppend(core: Core, message: RaftMessage): void {
  if (!isContiguous(message.index, message.entries)) return;
  if (message.index < core.log.commit) {
    core.send({ type: "append_reply", to: message.from, index: core.log.commit });
    return;
  }
  const last = core.log.maybeAppend({ index: message.index, term: message.logTerm }, message.entries, message.commit);
  if (last !== undefined) {
    core.send({ type: "append_reply", to: message.from, index: last });
    return;
  }
  const hint = core.log.agreementBound(Math.min(message.index, core.log.lastIndex), message.logTerm);
  core.send({ type: "append_reply", to: message.from, index: message.index, reject: true, hintIndex: hint.index, hintTerm: hint.term });
}

function onSnapshot(core: Core, message: RaftMessage): void {
  const { snapshot } = message;
  if (snapshot === null || snapshot.config === null) return;
  if (snapshot.index > core.log.commit) {
    // A log that already holds the snapshot's last entry holds all before it: only the commit is news.
    if (core.log.matches(snapshot)) core.log.commitTo(snapshot.index);
    else core.log.restore(snapshot);
  }
  core.send({ type: "append_reply", to: message.from, index: core.log.commit });
}

function isContiguous(before: number, entries: readonly Entry[]): boolean {
  return entries.every((entry, position) => entry.index === before + 1 + position);
}
