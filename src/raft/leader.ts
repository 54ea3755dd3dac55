import { ClusterError } from "../base/errors.js";
import { integerBetween } from "../base/random.js";
import { memberIds } from "./config-change.js";
import type { Core, Leadership } from "./core.js";
import { LeaderReads, type PendingRead } from "./leader-reads.js";
import type { RaftMessage } from "./message.js";
import { Progress } from "./progress.js";
import { isVoter, voteResult } from "./quorum.js";
import { appendOwn, broadcastAppend, maybeSendAppend, onAppendReply, onHeartbeatReply, tellCommit } from "./replication.js";

/** The election is won. An empty entry of the new term lets everything before it commit. */
export function takeLeadership(core: Core): void {
  const next = core.log.lastIndex + 1;
  const leadership: Leadership = {
    progress: new Map(memberIds(core.config).map((raftId) => [raftId, newProgress(core, raftId, next, raftId === core.id)])),
    reads: new LeaderReads(),
    pendingConfigIndex: core.log.lastIndex,
    transferee: 0,
    transferElapsed: 0,
    hasCommitNews: false,
  };
  core.becomeLeader(leadership);
  for (const context of core.forwardedReads.drain()) leadership.reads.addOwn({ from: core.id, context });
  appendOwn(core, [{ type: "normal", data: new Uint8Array(0) }]);
  broadcastAppend(core, leadership);
}

/** What a new leader, or one with a new member, believes of a member: nothing but where its log may go on. */
export function newProgress(core: Core, raftId: number, next: number, recentlyActive: boolean): Progress {
  return new Progress({ next, window: core.window, recentlyActive, isLearner: !isVoter(core.config, raftId) });
}

/** Check-quorum once an election timeout, and heartbeats. */
export function tickLeader(core: Core, leadership: Leadership): void {
  if (++core.electionElapsed >= core.electionTicks) {
    core.electionElapsed = 0;
    if (!isQuorumActive(core, leadership)) {
      core.becomeFollower(core.term);
      return;
    }
    for (const [raftId, progress] of leadership.progress) progress.beginPeriod(raftId === core.id);
  }
  if (leadership.transferee !== 0 && ++leadership.transferElapsed >= core.electionTicks) leadership.transferee = 0;
  if (++core.heartbeatElapsed >= core.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    if (leadership.reads.hasWaiting && hasCommittedInTerm(core)) leadership.reads.beginRound(core.log.commit);
    broadcastHeartbeat(core, leadership);
    // Again and again: the word may be lost, and the successor ignores what it knows.
    maybeFinishTransfer(core, leadership);
  }
}

/** A message of the leader's own term. */
export function stepLeader(core: Core, leadership: Leadership, message: RaftMessage): void {
  switch (message.type) {
    case "append_reply":
      if (onAppendReply(core, leadership, message)) maybeBeginReads(core, leadership);
      if (message.from === leadership.transferee) maybeFinishTransfer(core, leadership);
      return;
    case "heartbeat_reply":
      if (!leadership.progress.has(message.from)) return;
      onHeartbeatReply(core, leadership, message.from);
      leadership.reads.acknowledge(message.from, message.context);
      answerReads(core, leadership);
      return;
    case "read_index":
      if (!leadership.progress.has(message.from)) return;
      onReadRequest(core, leadership, { from: message.from, context: message.context });
      return;
    default:
      return;
  }
}

/**
 * When the asker spoke, after all its readers came, it was in this leader's term: it had given no newer leader its vote. Where the two are a
 * quorum, nobody else can have acknowledged a write by then, and a round of heartbeats would add nothing.
 */
function onReadRequest(core: Core, leadership: Leadership, read: PendingRead): void {
  const isProven = voteResult(core.config, (raftId) => raftId === core.id || raftId === read.from) === "won";
  if (isProven && hasCommittedInTerm(core)) {
    tellCommit(core, leadership);
    core.send({ type: "read_index_reply", to: read.from, context: read.context, index: core.log.commit });
    return;
  }
  leadership.reads.addRemote(read);
  maybeBeginReads(core, leadership);
}

/** A read of a caller of this member. */
export function readOwn(core: Core, leadership: Leadership, context: number): void {
  leadership.reads.addOwn({ from: core.id, context });
  maybeBeginReads(core, leadership);
}

/** Before that, what was committed by earlier leaders may not be known yet: no read is served (raft thesis, section 6.4), no configuration changed. */
export function hasCommittedInTerm(core: Core): boolean {
  return core.log.term(core.log.commit) === core.term;
}

/** Throws ClusterError `invalid_argument` when `raftId` is not another voter. */
export function beginTransfer(core: Core, leadership: Leadership, raftId: number): void {
  if (raftId === core.id) return;
  if (!isVoter(core.config, raftId)) throw new ClusterError("invalid_argument", `raft id ${raftId} is not a voter`);
  if (leadership.transferee === raftId) return;
  leadership.transferee = raftId;
  leadership.transferElapsed = 0;
  maybeSendAppend(core, leadership, raftId, "even_if_empty");
  maybeFinishTransfer(core, leadership);
}

/**
 * The disk of this member does not answer, and without it a quorum has all that is in the log: one of those takes over, since nothing would come to an
 * end here. Another one each time, since the first may be no better.
 */
export function giveWay(core: Core, leadership: Leadership): void {
  const hasAll = (raftId: number) => raftId !== core.id && leadership.progress.get(raftId)?.match === core.log.lastIndex;
  if (leadership.transferee !== 0 || voteResult(core.config, hasAll) !== "won") return;
  const successors = core.config.voters.filter(hasAll);
  const successor = successors[integerBetween(core.random, 0, successors.length - 1)];
  if (successor !== undefined) beginTransfer(core, leadership, successor);
}

/** The successor gets the word when it has the whole log; until then replication brings it there. */
function maybeFinishTransfer(core: Core, leadership: Leadership): void {
  if (leadership.progress.get(leadership.transferee)?.match === core.log.lastIndex) core.send({ type: "timeout_now", to: leadership.transferee });
}

function isQuorumActive(core: Core, leadership: Leadership): boolean {
  return voteResult(core.config, (raftId) => leadership.progress.get(raftId)?.recentlyActive ?? false) === "won";
}

function broadcastHeartbeat(core: Core, leadership: Leadership): void {
  for (const [raftId, { match }] of leadership.progress) {
    if (raftId === core.id) continue;
    // Never above what the member is known to have: it may not have the rest.
    core.send({ type: "heartbeat", to: raftId, commit: Math.min(match, core.log.commitInForce), context: leadership.reads.context });
  }
}

/** Until an entry of the own term is committed, the leader does not know what its predecessors committed. */
function maybeBeginReads(core: Core, leadership: Leadership): void {
  const { reads } = leadership;
  if (!reads.hasWaiting || reads.isRoundUnderWay || !hasCommittedInTerm(core)) return;
  reads.beginRound(core.log.commit);
  broadcastHeartbeat(core, leadership);
  answerReads(core, leadership);
}

/** Answers the reads that a quorum of who counts now has confirmed. */
export function answerReads(core: Core, leadership: Leadership): void {
  const confirmed = leadership.reads.takeConfirmed(core.config, core.id);
  if (confirmed.some(({ from }) => from !== core.id)) tellCommit(core, leadership);
  for (const { from, context, index } of confirmed) {
    if (from === core.id) core.readStates.push({ context, index });
    else core.send({ type: "read_index_reply", to: from, context, index });
  }
  if (confirmed.length > 0) maybeBeginReads(core, leadership);
}
