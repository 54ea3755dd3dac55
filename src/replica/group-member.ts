import { aborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { Transaction } from "../model/objects.js";
import type { Entry, RaftMessage, SnapshotMeta } from "../raft/message.js";
import { Raft } from "../raft/raft.js";
import type { Proposer } from "../store/proposer.js";
import type { Store } from "../store/store.js";
import { ConfigChangeCodec, type Member, type SnapshotProgress } from "../wire/generated/raft.js";
import { Announcer } from "./announcer.js";
import { Driver, TICK_MS } from "./driver.js";
import type { DurableLog } from "./durable-log.js";
import { EarlyCampaign } from "./early-campaign.js";
import { HandOver } from "./hand-over.js";
import { MemberChanges, successorOf } from "./member-changes.js";
import type { Membership } from "./membership.js";
import { Peers } from "./peers.js";
import { Proposals } from "./proposals.js";
import { ReadRounds } from "./read-rounds.js";
import type { Leadership, MemberStatus, ReplicaStatus } from "./replica-status.js";
import { reseal } from "./resealing.js";
import type { SnapshotFolder } from "./snapshot-folder.js";
import { SnapshotSender } from "./snapshot-sender.js";
import { Snapshotter } from "./snapshotter.js";
import type { StateMachine } from "./state-machine.js";
import { configOf, type Timings, timingsOf } from "./timings.js";
import type { RaftInbox, RaftTransport } from "./transport.js";

const BYTES_PER_MESSAGE_MAX = 1024 * 1024;
const INFLIGHT_MESSAGES_MAX = 64;
const INFLIGHT_BYTES_MAX = 8 * 1024 * 1024;

/** After this long without a leader, reads are refused instead of waiting for one. */
const LEADERLESS_MS_MAX = 5_000;
/** A leader that is asked for a place makes sure within this time that it still leads. */
const JOIN_READ_MS = 5_000;
/** How often what may be written late is written. */
const FLUSH_TICKS = 10;
export interface GroupMemberParts {
  readonly raftId: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly store: Store;
  readonly transport: RaftTransport;
  readonly log: DurableLog;
  readonly folder: SnapshotFolder;
  readonly membership: Membership;
  readonly machine: StateMachine;
}

/** This node's part in the raft group, from the moment that it has a log: puts core, disk, network and store together. */
export class GroupMember implements Proposer, RaftInbox {
  readonly #parts: GroupMemberParts;
  readonly #raft: Raft;
  readonly #driver: Driver;
  readonly #proposals = new Proposals();
  readonly #reads: ReadRounds;
  readonly #changes: MemberChanges;
  readonly #sender: SnapshotSender;
  readonly #snapshotter: Snapshotter;
  readonly #announcer: Announcer;
  readonly #earlyCampaign: EarlyCampaign;
  readonly #peers: Peers;
  readonly #handOver: HandOver;
  #timings: Timings;
  #ticks = 0;
  #leaderSeenMs: number;
  #isRemoved = false;
  #isStopped = false;

  constructor(parts: GroupMemberParts) {
    this.#parts = parts;
    const { raftId, clock, random, logger, store, transport, log, folder, membership, machine } = parts;
    this.#timings = timingsOf(store);
    this.#raft = new Raft({
      id: raftId,
      storage: log.storage,
      random,
      ...this.#timings,
      bytesPerMessageMax: BYTES_PER_MESSAGE_MAX,
      inflightMessagesMax: INFLIGHT_MESSAGES_MAX,
      inflightBytesMax: INFLIGHT_BYTES_MAX,
      applied: machine.index,
    });
    this.#leaderSeenMs = clock.monotonic();
    this.#reads = new ReadRounds({ random, clock, wake: () => this.#driver.wake() });
    this.#driver = new Driver({ raft: this.#raft, log, clock, hooks: this.#hooks() });
    this.#changes = new MemberChanges({ raft: this.#raft, membership, clock, wake: () => this.#driver.wake() });
    this.#sender = new SnapshotSender({ folder, transport, logger });
    this.#snapshotter = new Snapshotter({
      machine,
      log,
      folder,
      logger,
      config: () => configOf(store),
      phase: () => membership.phaseOf(raftId),
      expectedOfAll: () => this.#raft.expectedOfAll,
      exclusively: (job) => this.#driver.exclusively(job),
    });
    this.#announcer = new Announcer({ gained: () => store.setProposer(this), lost: () => this.#leadershipLost() });
    this.#handOver = new HandOver({ raftId, clock, listen: (listener) => this.onRoleChange(listener) });
    this.#earlyCampaign = new EarlyCampaign({
      raft: this.#raft,
      clock,
      random,
      logger,
      heartbeatMs: () => this.#timings.heartbeatTicks * TICK_MS,
      wake: () => this.#driver.wake(),
    });
    this.#peers = new Peers({ raftId, membership, transport });
  }

  /** Settles when everything that it started has stopped. Rejects when the disk failed: this member must be started again. */
  async run(signal: AbortSignal): Promise<void> {
    this.#driver.start();
    // Who is alone need not wait whether anybody else leads.
    const { voters } = this.#parts.membership.config;
    if (voters.length === 1 && voters[0] === this.#parts.raftId) this.#raft.campaign();
    try {
      await Promise.race([this.#driver.failure, aborted(signal)]);
    } catch (cause) {
      this.#parts.logger.error({ err: cause }, "this member stops taking part in the raft group until it is started again");
      throw cause;
    } finally {
      await this.#stop();
    }
  }

  propose(transaction: Transaction): Promise<void> {
    if (!this.#announcer.leadership.isLeader) return Promise.reject(new ClusterError("no_leader", "this manager is not the leader"));
    const done = this.#proposals.add(transaction);
    if (!this.#driver.isWriting) this.#driver.wake();
    return done;
  }

  assertRoom(): void {
    this.#proposals.assertRoom();
  }

  /** Refusals for want of a leader come with a tick, never at once: a caller that tries again does not spin. */
  readIndex(timeoutMs: number): Promise<void> {
    if (this.#isStopped) return Promise.reject(new ClusterError("unavailable", "this manager is stopping"));
    if (this.#isRemoved) return Promise.reject(new ClusterError("failed_precondition", "this node was removed from the raft group"));
    const done = this.#reads.add(this.#parts.clock.monotonic() + timeoutMs);
    if (this.#reads.canStart) this.#driver.wake();
    return done;
  }

  introduced(member: Member): () => void {
    return this.#peers.introduced(member);
  }

  deliver(messages: readonly RaftMessage[]): void {
    for (const message of messages) this.#earlyCampaign.heard(message);
    // A snapshot is stepped only together with its content.
    this.#driver.deliver(messages.filter((message) => message.type !== "snapshot"));
  }

  /** The peer's process is gone: its connection broke without a goodbye and it refused to be connected again. */
  peerLost(raftId: number): void {
    if (!this.#isStopped) this.#earlyCampaign.peerLost(raftId);
  }

  snapshotReceived(message: RaftMessage): SnapshotProgress {
    return this.#parts.folder.received(snapshotIn(message));
  }

  async receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress): Promise<void> {
    await this.#parts.folder.receive(snapshotIn(message), chunks, after);
    this.#driver.deliver([message]);
  }

  reseal(signal: AbortSignal): Promise<void> {
    const { log, folder } = this.#parts;
    return reseal({ log, folder, exclusively: (job) => this.#driver.exclusively(job), signal });
  }

  async join(nodeId: string, address: string): Promise<{ readonly raftId: number; readonly members: readonly MemberStatus[] }> {
    this.#assertLeader();
    // One that was replaced without knowing could name a place that the node had before, and the node would give up the one that it has.
    await this.readIndex(JOIN_READ_MS);
    const { raftId } = await this.#changes.join(nodeId, address);
    return { raftId, members: this.members() };
  }

  async remove(nodeId: string): Promise<void> {
    this.#assertLeader();
    await this.#changes.remove(nodeId, (raftId) => this.#isReachable(raftId));
  }

  /**
   * First takes no more writes and lets those under way finish, then gives up leadership for the rest of this node, then hands it over.
   * When nobody takes it, this member announces itself again.
   */
  async transferLeadership(): Promise<void> {
    this.#assertLeader();
    const { raftId, store } = this.#parts;
    const successor = successorOf(this.#raft, raftId, (other) => this.#isReachable(other));
    store.setProposer(null);
    await this.#proposals.drained();
    try {
      await this.#handOver.run(() => {
        this.#turned();
        this.#raft.transferLeadership(successor);
        this.#driver.wake();
      });
    } finally {
      this.#driver.wake();
    }
  }

  members(): readonly MemberStatus[] {
    const { leader } = this.#raft;
    const { membership } = this.#parts;
    return membership.members.map((member) => ({
      ...member,
      isReachable: this.#isReachable(member.raftId),
      isLeader: member.raftId === leader,
      isVoter: membership.isVoter(member.raftId),
    }));
  }

  status(): ReplicaStatus {
    const { id, role, term, leader, commit, applied } = this.#raft.status();
    return {
      raftId: id,
      role,
      isLeader: this.#announcer.leadership.isLeader,
      isRemoved: this.#isRemoved,
      leaderId: leader,
      leader: this.#parts.membership.get(leader) ?? null,
      term,
      commit,
      applied,
      members: this.members(),
    };
  }

  get leadership(): Leadership {
    return this.#announcer.leadership;
  }

  onRoleChange(listener: (leadership: Leadership) => void): () => void {
    return this.#announcer.listen(listener);
  }

  #hooks(): ConstructorParameters<typeof Driver>[0]["hooks"] {
    return {
      send: (messages) => this.#send(messages),
      propose: (isWriting) => this.#propose(isWriting),
      ticked: () => this.#ticked(),
      turned: () => this.#turned(),
      install: async (snapshot) => {
        const { machine, folder, store } = this.#parts;
        await machine.restore(snapshot);
        await folder.retain(snapshot, configOf(store)?.keepOldSnapshots ?? 0);
        this.#peers.replaced();
      },
      apply: (entry) => this.#apply(entry),
      applied: (index) => {
        this.#reads.applied(index);
        this.#turned();
        if (!this.#isRemoved) this.#snapshotter.applied(index);
      },
      readConfirmed: (context, index) => {
        this.#reads.confirm(context, index);
        this.#reads.applied(this.#parts.machine.index);
      },
    };
  }

  #send(messages: readonly RaftMessage[]): void {
    const plain: RaftMessage[] = [];
    for (const message of messages) {
      if (message.type === "snapshot" && message.snapshot !== null) this.#sendSnapshot(message, message.snapshot);
      else plain.push(message);
    }
    if (plain.length > 0) this.#parts.transport.send(plain);
  }

  #sendSnapshot(message: RaftMessage, snapshot: SnapshotMeta): void {
    this.#sender.send(message, snapshot, (ok) => {
      this.#raft.reportSnapshot(message.to, ok);
      this.#driver.wake();
    });
  }

  #propose(isWriting: boolean): void {
    this.#reads.start((context) => this.#raft.readIndex(context));
    // While a write is under way, more gather: they then share an entry and a write.
    if (!isWriting) this.#proposals.flush((data) => this.#raft.propose(data));
  }

  #apply(entry: Entry): void {
    const { machine } = this.#parts;
    if (entry.type === "normal") machine.applyNormal(entry, this.#proposals);
    else this.#applyChange(entry);
  }

  #applyChange(entry: Entry): void {
    const { membership, machine, logger, raftId } = this.#parts;
    const change = ConfigChangeCodec.decode(entry.data);
    const wasMember = membership.get(raftId) !== undefined;
    this.#peers.apply(change, this.#raft.applyConfigChange(change.steps));
    machine.reached(entry);
    // In a change of several voters, who leaves still counts until the old configuration is left.
    if (wasMember && membership.get(raftId) === undefined) this.#isRemoved = true;
    logger.info({ index: entry.index, steps: change.steps, members: membership.members }, "the members of the raft group changed");
    this.#changes.applied(entry.data);
  }

  #ticked(): void {
    const { clock, log } = this.#parts;
    this.#ticks++;
    this.#followTimings();
    const nowMs = clock.monotonic();
    const { role, leader } = this.#raft;
    if (leader !== 0) this.#leaderSeenMs = nowMs;
    this.#reads.tick(nowMs);
    if (nowMs - this.#leaderSeenMs >= LEADERLESS_MS_MAX) this.#reads.fail(noLeader());
    if (role === "leader") this.#changes.promote(log.storage.lastIndex());
    if (role === "leader" && this.#raft.transferee === 0) this.#handOver.giveUp();
    if (this.#ticks % FLUSH_TICKS === 0) this.#driver.exclusively(() => log.flush());
    this.#peers.tick();
  }

  /** Timings are part of the cluster's spec, and changed while it runs. */
  #followTimings(): void {
    const timings = timingsOf(this.#parts.store);
    if (timings.electionTicks === this.#timings.electionTicks && timings.heartbeatTicks === this.#timings.heartbeatTicks) return;
    this.#timings = timings;
    this.#raft.setTicks(timings);
  }

  /** Announces at once what the last step made of the role. A leader is one for the rest once an entry of its term is applied. */
  #turned(): void {
    const { role, term, leader } = this.#raft;
    const { machine, membership, raftId } = this.#parts;
    const isLeader = !this.#isStopped && !this.#handOver.isUnderWay && role === "leader" && machine.term === term;
    // Until it may be announced, and while it hands over, there is no leader that anyone could turn to.
    const isKnown = isLeader || leader !== raftId;
    this.#announcer.announce({ isLeader, leader: isKnown ? membership.get(leader) : undefined, term, isRemoved: this.#isRemoved });
  }

  #leadershipLost(): void {
    this.#parts.store.setProposer(null);
    this.#proposals.lose();
    this.#changes.lose();
  }

  #isReachable(raftId: number): boolean {
    if (raftId === this.#parts.raftId) return !this.#isStopped;
    // A connection stands for seconds after its link was cut: a leader knows earlier.
    return this.#parts.transport.isReachable(raftId) && this.#raft.hearsFrom(raftId);
  }

  #assertLeader(): void {
    if (!this.#announcer.leadership.isLeader) throw new ClusterError("no_leader", "this manager is not the leader");
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#peers.stop();
    const { term } = this.#raft;
    this.#announcer.announce({ isLeader: false, leader: undefined, term, isRemoved: this.#isRemoved });
    this.#leadershipLost();
    this.#handOver.giveUp();
    this.#changes.stop();
    this.#earlyCampaign.stop();
    this.#reads.stop(new ClusterError("unavailable", "this manager is stopping"));
    await Promise.all([this.#driver.stop(), this.#snapshotter.stop(), this.#sender.stop()]);
    try {
      await this.#parts.log.flush();
    } catch (cause) {
      this.#parts.logger.warn({ err: cause }, `the last commit could not be noted: ${messageOf(cause)}`);
    }
  }
}

function snapshotIn(message: RaftMessage): SnapshotMeta {
  if (message.type !== "snapshot" || message.snapshot === null) throw new ClusterError("invalid_argument", "a snapshot comes with a snapshot message");
  return message.snapshot;
}

function noLeader(): ClusterError {
  return new ClusterError("no_leader", "the swarm does not have a leader");
}
