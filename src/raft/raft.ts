import { assert, defined } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";
import { isJoint, planConfigChange } from "./config-change.js";
import { Core, type Leadership } from "./core.js";
import { campaign, campaignByTransfer, campaignIfAlone, learnCommit, onVoteReply, onVoteRequest } from "./election.js";
import { onReadIndexReply, onTimeoutNow, stepFromLeader, tickFollower } from "./follower.js";
import { beginTransfer, giveWay, hasCommittedInTerm, readOwn, stepLeader, tickLeader } from "./leader.js";
import { maybeLeaveJoint, switchConfig } from "./membership.js";
import type { ConfigChangeStep, ConfigState, Entry, HardState, RaftMessage } from "./message.js";
import type { RaftOptions } from "./options.js";
import type { RaftStatus, Ready, Role } from "./ready.js";
import { appendOwn, broadcastAppend, tellCommit } from "./replication.js";

export type { RaftOptions } from "./options.js";

/** A disk that does not answer for so many election timeouts is no busy one any more. */
const STALLED_ELECTIONS = 5;

/** Where proposed entries were put: they commit, in this term at these indexes, or never. */
export interface Proposal {
  readonly term: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
}

/**
 * One member of a consensus group, in the manner of etcd's raft: messages and ticks in, a Ready out. Deterministic: it has
 * no clock, socket, disk or random source of its own. README.md says how to drive it.
 */
export class Raft {
  readonly #core: Core;
  /** As of the last Ready. */
  #hardState: HardState;
  #outstanding: { readonly ready: Ready; readonly toSelf: readonly RaftMessage[] } | null = null;

  constructor(options: RaftOptions) {
    this.#core = new Core(options);
    this.#hardState = this.#core.hardState;
  }

  /** One unit of time passed. */
  tick(): void {
    const { leadership } = this.#core;
    if (leadership === null) tickFollower(this.#core);
    else tickLeader(this.#core, leadership);
  }

  /** A message from another member arrived. What is stale or makes no sense is ignored. */
  step(message: RaftMessage): void {
    if (message.to !== this.#core.id || message.from === this.#core.id) return;
    this.#step(message);
  }

  /** Appends entries. Throws ClusterError `no_leader` unless this member leads and is not handing leadership over. */
  propose(data: readonly Uint8Array[]): Proposal {
    return this.#append(
      this.#leadershipForWrites(),
      data.map((bytes) => ({ type: "normal", data: bytes })),
    );
  }

  /**
   * Appends a configuration entry; planConfigChange says beforehand whether its steps are allowed. `data` is not empty: such an entry is the core's
   * own and ends a joint change. Throws `no_leader`, or `failed_precondition` until an entry of the leader's own term is committed and the change before
   * is applied, its end included: the caller tries again later.
   */
  proposeConfigChange(data: Uint8Array): Proposal {
    const leadership = this.#leadershipForWrites();
    const { log } = this.#core;
    if (!hasCommittedInTerm(this.#core)) throw new ClusterError("failed_precondition", `the leader has not committed anything in term ${this.#core.term} yet`);
    if (leadership.pendingConfigIndex > log.applied) {
      throw new ClusterError("failed_precondition", `the membership change at index ${leadership.pendingConfigIndex} is not applied yet`);
    }
    if (isJoint(this.#core.config)) throw new ClusterError("failed_precondition", "a change of several voters is under way");
    assert(data.length > 0, "an entry that changes the membership says how");
    leadership.pendingConfigIndex = log.lastIndex + 1;
    return this.#append(leadership, [{ type: "config_change", data }]);
  }

  /**
   * For a config_change entry that is being applied: puts its steps in force and returns what now counts. An entry with empty data has no
   * steps: it ends a joint change. Throws like planConfigChange.
   */
  applyConfigChange(steps: readonly ConfigChangeStep[]): ConfigState {
    const config = planConfigChange(this.#core.config, steps);
    this.#core.log.configChangeInForce();
    switchConfig(this.#core, config);
    return this.#core.config;
  }

  /**
   * Asks for a linearizable read; the answer comes as a ReadState with the same `context` (the caller's, unique while it
   * waits). Works on any member. Throws `no_leader` when none is known, `unavailable` when too many wait. May stay unanswered
   * while there is no leader: the caller has its own deadline.
   */
  readIndex(context: number): void {
    const core = this.#core;
    if (core.leadership !== null) {
      readOwn(core, core.leadership, context);
      return;
    }
    if (core.leader === 0) throw noLeader(core);
    if (core.forwardedReads.isFull) throw new ClusterError("unavailable", "too many reads wait for the leader");
    core.forwardedReads.add(context);
    core.forwardReads();
  }

  /** Leader: hands over to a voter as soon as it has the whole log; given up after an election timeout. Throws `no_leader`, `invalid_argument`. */
  transferLeadership(raftId: number): void {
    const { leadership } = this.#core;
    if (leadership === null) throw noLeader(this.#core);
    beginTransfer(this.#core, leadership, raftId);
  }

  /** The voter that leadership is being handed over to; 0 when this member does not hand over, or gave it up. */
  get transferee(): number {
    return this.#core.leadership?.transferee ?? 0;
  }

  /** Leader: the commit rose and nobody was told: the next entries take it along, or `tellCommit` says it. */
  get hasCommitNews(): boolean {
    return this.#core.leadership?.hasCommitNews ?? false;
  }

  /** Tells the members that the commit rose, by itself. To be called some time after `hasCommitNews`, soon: they apply nothing before they know. */
  tellCommit(): void {
    const { leadership } = this.#core;
    if (leadership !== null) tellCommit(this.#core, leadership);
  }

  /** Starts an election (with pre-vote) now instead of after the timeout. */
  campaign(): void {
    campaign(this.#core);
  }

  /** Follower: the connection from the leader is known to be dead; sets the lease aside so that votes can be given. */
  forgetLeader(): void {
    if (this.#core.leadership === null) this.#core.leader = 0;
  }

  /** Other timings, in force at once; the running election timeout is drawn anew. */
  setTicks(ticks: Pick<RaftOptions, "electionTicks" | "heartbeatTicks">): void {
    this.#core.setTicks(ticks);
  }

  /** The stream of a snapshot to a peer ended. To be called exactly once for every `snapshot` message. */
  reportSnapshot(raftId: number, ok: boolean): void {
    const progress = this.#core.leadership?.progress.get(raftId);
    if (progress?.state === "snapshot") progress.snapshotEnded(ok);
  }

  /** The disk has not answered for so many ticks. A leader gives way after some election timeouts: its heartbeats do not wait for the disk, and its writes do. */
  reportStalled(ticks: number): void {
    const { leadership, electionTicks } = this.#core;
    if (leadership !== null && ticks >= STALLED_ELECTIONS * electionTicks) giveWay(this.#core, leadership);
  }

  /** False while a Ready is outstanding. */
  hasReady(): boolean {
    const { log, outbox, readStates } = this.#core;
    if (this.#outstanding !== null) return false;
    const hasToPersist = this.#hasChangedHardState() || log.unstableEntries.length > 0 || log.unstableSnapshot !== null;
    return hasToPersist || !outbox.isEmpty || log.hasCommitted || readStates.length > 0;
  }

  ready(): Ready {
    assert(this.#outstanding === null, "the Ready before was reported persisted");
    const core = this.#core;
    const toSelf: RaftMessage[] = [];
    const toOthers: RaftMessage[] = [];
    for (const message of core.outbox.takeAfterPersist()) (message.to === core.id ? toSelf : toOthers).push(message);
    const committed = core.log.takeCommitted();
    const hardState = this.#hasChangedHardState() ? core.hardState : null;
    const ready: Ready = {
      hardState,
      mustSync: this.#hasToSync() || committed.some((entry) => entry.type === "config_change"),
      entries: [...core.log.unstableEntries],
      snapshot: core.log.unstableSnapshot,
      messages: core.outbox.takeImmediate(),
      messagesAfterPersist: toOthers,
      committed,
      readStates: core.readStates,
    };
    core.readStates = [];
    this.#hardState = hardState ?? this.#hardState;
    this.#outstanding = { ready, toSelf };
    return ready;
  }

  /** Messages that need not wait for the disk; may be called at any time. */
  takeMessages(): readonly RaftMessage[] {
    return this.#core.outbox.takeImmediate();
  }

  /** The Ready's snapshot, entries and hard state are durable and readable through LogStorage. */
  persisted(ready: Ready): void {
    assert(this.#outstanding?.ready === ready, "the outstanding Ready is the one that is persisted");
    const { toSelf } = this.#outstanding;
    this.#outstanding = null;
    this.#core.log.persisted(ready.snapshot, ready.entries);
    // Not before: changes of the Ready before may have been waiting to be applied to the old configuration.
    if (ready.snapshot !== null) this.#core.config = defined(ready.snapshot.config, "a snapshot that was taken in has a configuration");
    for (const message of toSelf) this.#step(message);
  }

  /** The state machine has reached `index`. */
  applied(index: number): void {
    this.#core.log.appliedTo(index);
    if (this.#core.transferDeferredTicks > 0 && !this.#core.log.hasUnappliedConfigChange()) {
      this.#core.transferDeferredTicks = 0;
      campaignByTransfer(this.#core);
    }
    campaignIfAlone(this.#core);
    if (this.#core.leadership !== null) maybeLeaveJoint(this.#core, this.#core.leadership);
  }

  get role(): Role {
    return this.#core.role;
  }

  get term(): number {
    return this.#core.term;
  }

  /** 0 when none is known. */
  get leader(): number {
    return this.#core.leader;
  }

  /** What is in force. */
  get config(): ConfigState {
    return this.#core.config;
  }

  /** False when this member leads and has heard nothing of the other one for one to two election timeouts. */
  hearsFrom(raftId: number): boolean {
    return this.#core.leadership?.progress.get(raftId)?.answersLately ?? true;
  }

  /**
   * Up to here every member has the log that answers this leader and is being brought up to date, or will have it with the snapshot that is on its way; infinite where there is none.
   * One that had been sent everything is no such member: it may have stopped just now.
   */
  get expectedOfAll(): number {
    const { id, leadership } = this.#core;
    let index = Number.POSITIVE_INFINITY;
    for (const [raftId, { state, answersLately, expected }] of leadership?.progress ?? [])
      if (raftId !== id && state !== "replicate" && answersLately) index = Math.min(index, expected);
    return index;
  }

  /** Everything at once. Who asks at each step takes what it needs from `role`, `term`, `leader` and `config`. */
  status(): RaftStatus {
    const { id, role, term, leader, config, log, leadership } = this.#core;
    const progress = [...(leadership?.progress ?? [])].map(
      ([raftId, { match, recentlyActive, isLearner }]) => [raftId, { match, recentlyActive, isLearner }] as const,
    );
    return { id, role, term, leader, commit: log.commit, applied: log.applied, config, progress: new Map(progress) };
  }

  #step(message: RaftMessage): void {
    const core = this.#core;
    const isVoteRequest = message.type === "vote" || message.type === "pre_vote";
    if (isVoteRequest || message.type === "vote_reply" || message.type === "pre_vote_reply") learnCommit(core, message);
    if (message.term < core.term) {
      this.#refuseStale(message);
      return;
    }
    if (message.term > core.term) {
      if (isVoteRequest && !message.forced && core.isLeaseHeld) return;
      // A pre-vote and its consent speak of a term that may never come.
      const isHypothetical = message.type === "pre_vote" || (message.type === "pre_vote_reply" && !message.reject);
      if (!isHypothetical) core.becomeFollower(message.term);
    }
    if (isVoteRequest) onVoteRequest(core, message);
    else this.#stepByRole(message);
  }

  #stepByRole(message: RaftMessage): void {
    const core = this.#core;
    if (isFromLeader(message)) {
      assert(core.leadership === null, `term ${core.term} has one leader, ${core.id}, and not ${message.from}`);
      stepFromLeader(core, message);
    } else if (core.leadership !== null) stepLeader(core, core.leadership, message);
    else if (message.type === "vote_reply" || message.type === "pre_vote_reply") onVoteReply(core, message);
    else if (message.type === "timeout_now") onTimeoutNow(core);
    else if (message.type === "read_index_reply") onReadIndexReply(core, message);
  }

  /** A sender that is behind learns the term from the answer: a leader steps down, a member that was cut off can rejoin. */
  #refuseStale(message: RaftMessage): void {
    if (isFromLeader(message)) this.#core.send({ type: "append_reply", to: message.from, reject: true });
    else if (message.type === "pre_vote") this.#core.send({ type: "pre_vote_reply", to: message.from, reject: true });
  }

  #append(leadership: Leadership, entries: readonly Pick<Entry, "type" | "data">[]): Proposal {
    const core = this.#core;
    const firstIndex = core.log.lastIndex + 1;
    appendOwn(core, entries);
    broadcastAppend(core, leadership);
    return { term: core.term, firstIndex, lastIndex: core.log.lastIndex };
  }

  #leadershipForWrites(): Leadership {
    const { leadership } = this.#core;
    if (leadership === null) throw noLeader(this.#core);
    if (leadership.transferee !== 0) throw new ClusterError("no_leader", `leadership is being handed over to raft id ${leadership.transferee}`);
    return leadership;
  }

  #hasToSync(): boolean {
    const { term, vote, log } = this.#core;
    return log.unstableEntries.length > 0 || log.unstableSnapshot !== null || term !== this.#hardState.term || vote !== this.#hardState.vote;
  }

  #hasChangedHardState(): boolean {
    const { term, vote, log } = this.#core;
    return term !== this.#hardState.term || vote !== this.#hardState.vote || log.commit !== this.#hardState.commit;
  }
}

function isFromLeader(message: RaftMessage): boolean {
  return message.type === "append" || message.type === "heartbeat" || message.type === "snapshot";
}

function noLeader(core: Core): ClusterError {
  return new ClusterError("no_leader", `raft id ${core.id} does not lead in term ${core.term}`, { details: { leader: String(core.leader) } });
}
