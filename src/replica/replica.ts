import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { newRaftId } from "../base/ids.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { StoreObject, Transaction } from "../model/objects.js";
import type { ConfigState, RaftMessage } from "../raft/message.js";
import type { Proposer } from "../store/proposer.js";
import type { Store } from "../store/store.js";
import type { Member, SnapshotProgress } from "../wire/generated/raft.js";
import { syncFolder } from "../base/durable-file.js";
import { DurableLog } from "./durable-log.js";
import { GroupMember } from "./group-member.js";
import type { LogState } from "./log-state.js";
import { Membership } from "./membership.js";
import { Proposals } from "./proposals.js";
import type { RecordCodec } from "./record-codec.js";
import { damagedLog } from "./recovery.js";
import type { Leadership, MemberStatus, ReplicaStatus } from "./replica-status.js";
import { resume } from "./newest-snapshot.js";
import { SnapshotFolder } from "./snapshot-folder.js";
import { StateMachine } from "./state-machine.js";
import { TailFile, type TailOpener } from "./tail-file.js";
import type { RaftInbox, RaftTransport } from "./transport.js";

export interface ReplicaOptions {
  /** Folder of its own: log, tail file and snapshots. Made when it is not there. */
  readonly dataDir: string;
  /** What stands between plain records and the disk: SealedRecords with this member's own key. */
  readonly codec: RecordCodec;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Holds the newest snapshot when `open` resolves; `run` adds what the log has beyond it. Its proposer is this replica whenever that
   * leads.
   */
  readonly store: Store;
  readonly transport: RaftTransport;
  /** For tests with a disk that fails. Default: the real file. */
  readonly openTail?: TailOpener;
}

/** What a group begins with: the objects, and the index and term from which it counts on. */
export interface GroupOrigin {
  readonly objects: Iterable<StoreObject>;
  readonly index: number;
  readonly term: number;
}

const NOTHING: GroupOrigin = { objects: [], index: 1, term: 1 };

/** Default of how long a read waits for its turn. */
const READ_MS_MAX = 10_000;

/**
 * A copy of the cluster's state that raft keeps equal to the others'. A replica that `isNew` first gets its place, by `bootstrap` or
 * `adopt`; then `run` takes part until it is aborted. See README.md of this folder.
 */
export class Replica implements Proposer, RaftInbox, AsyncDisposable {
  readonly #options: ReplicaOptions;
  readonly #log: DurableLog;
  readonly #folder: SnapshotFolder;
  readonly #membership = new Membership();
  readonly #machine: StateMachine;
  #member: GroupMember | null = null;
  #running: Promise<void> | null = null;
  readonly #listeners = new Set<(leadership: Leadership) => void>();

  private constructor(options: ReplicaOptions, log: DurableLog, folder: SnapshotFolder) {
    this.#options = options;
    this.#log = log;
    this.#folder = folder;
    this.#machine = new StateMachine({ store: options.store, membership: this.#membership, folder, logger: options.logger, clock: options.clock });
  }

  /**
   * Opens what is on disk and restores the store. Throws ClusterError `failed_precondition` with the details `directory`, `key` and
   * `index` when something that this member acknowledged is missing or damaged.
   */
  static async open(options: ReplicaOptions): Promise<Replica> {
    const created = await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    if (created !== undefined) await syncFolder(dirname(options.dataDir));
    const folder = await SnapshotFolder.open(join(options.dataDir, "snapshots"), options.codec);
    const log = await DurableLog.open({ directory: options.dataDir, codec: options.codec, openTail: options.openTail ?? TailFile.open });
    const replica = new Replica(options, log, folder);
    try {
      if (log.state === null) await replica.#assertNothingLost();
      else await replica.#resume(log.state);
      return replica;
    } catch (cause) {
      await log[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** True before the first `bootstrap` or `adopt` in this folder. */
  get isNew(): boolean {
    return this.#member === null;
  }

  /** Founds a group of this one member, with what an earlier group left or with nothing. */
  async bootstrap(identity: { readonly nodeId: string; readonly address: string }, origin: GroupOrigin = NOTHING): Promise<Member> {
    this.#assertNew();
    const member: Member = { raftId: newRaftId(), ...identity };
    const config: ConfigState = { voters: [member.raftId], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const { index, term } = origin;
    const meta = { index, term, config };
    // With a snapshot at the beginning, every later member starts from a snapshot and knows all others.
    await this.#folder.write({ meta, members: [member] }, origin.objects);
    await this.#log.create({ raftId: member.raftId, hardState: { term, vote: 0, commit: index }, snapshot: meta, seeds: [] });
    this.#log.storage.setSnapshot(meta);
    await this.#machine.restore(meta);
    this.#takePlace(member.raftId);
    return member;
  }

  /** Takes the place in a group that the leader's `join` gave this node: it then waits to be sent the log. */
  async adopt(place: { readonly raftId: number; readonly members: readonly Member[] }): Promise<void> {
    this.#assertNew();
    const seeds = place.members.map(({ raftId, nodeId, address }) => ({ raftId, nodeId, address }));
    await this.#log.create({ raftId: place.raftId, hardState: { term: 0, vote: 0, commit: 0 }, snapshot: null, seeds });
    this.#membership.reset(seeds, null);
    this.#takePlace(place.raftId);
  }

  /**
   * Everything that this member holds, for another group to begin with; to be called instead of `run`. The whole log counts, also what is not known
   * to be committed: those who know are gone, and a write that was acknowledged must not be lost. Throws ClusterError `failed_precondition` when it holds nothing.
   */
  salvage(): GroupOrigin {
    const { storage } = this.#log;
    const none = new Proposals();
    for (const entry of storage.entries(this.#machine.index + 1, storage.lastIndex() + 1, Number.POSITIVE_INFINITY) ?? []) {
      if (entry.type === "normal") this.#machine.applyNormal(entry, none);
      else this.#machine.reached(entry);
    }
    if (this.#machine.index === 0) throw new ClusterError("failed_precondition", `${this.#options.dataDir} holds nothing of the cluster's state yet`);
    const { term } = storage.initialState().hardState;
    return { objects: this.#options.store.objects(), index: this.#machine.index, term: Math.max(term, this.#machine.term) };
  }

  /** Takes part until aborted; settles when everything has stopped. Rejects when the disk failed: this member then has to be started again. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running !== null) throw new ClusterError("failed_precondition", "a replica runs once");
    this.#running = this.#place().run(signal);
    await this.#running;
  }

  propose(transaction: Transaction): Promise<void> {
    return this.#place().propose(transaction);
  }

  assertRoom(): void {
    this.#place().assertRoom();
  }

  /**
   * Resolves when the store holds every write that was acknowledged before the call, by whichever member. Rejects with `no_leader`
   * after `timeoutMs`, or when no leader has been known for 5 s.
   */
  readIndex(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#place().readIndex(options.timeoutMs ?? READ_MS_MAX);
  }

  /** On the leader: makes a node a member; see MemberChanges. */
  join(nodeId: string, address: string): Promise<{ readonly raftId: number; readonly members: readonly MemberStatus[] }> {
    return this.#place().join(nodeId, address);
  }

  /** On the leader: ends a node's membership. Throws `failed_precondition` when those left would have no quorum. */
  remove(nodeId: string): Promise<void> {
    return this.#place().remove(nodeId);
  }

  /** On the leader: hands over to the member that lacks least. Resolves when another one leads. */
  transferLeadership(): Promise<void> {
    return this.#place().transferLeadership();
  }

  /**
   * Seals all that is on this member's disk with the codec's present key, while it runs. When it resolves, former keys are not needed any more; when it rejects,
   * they are, and it is to be called again.
   */
  reseal(signal: AbortSignal): Promise<void> {
    return this.#place().reseal(signal);
  }

  /** Node id of a member; undefined for one that this member has not heard of yet. */
  nodeOf(raftId: number): string | undefined {
    return this.#membership.get(raftId)?.nodeId;
  }

  members(): readonly MemberStatus[] {
    return this.#member?.members() ?? [];
  }

  /** Throws ClusterError `failed_precondition` while it is new. */
  status(): ReplicaStatus {
    return this.#place().status();
  }

  /** Who leads, as last announced. */
  get leadership(): Leadership {
    return this.#member?.leadership ?? { isLeader: false, leader: undefined, term: 0, isRemoved: false };
  }

  /** Calls the listener, synchronously, whenever `leadership` changes, until the returned function is called. */
  onRoleChange(listener: (leadership: Leadership) => void): () => void {
    const own = (leadership: Leadership) => listener(leadership);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  introduced(member: Member): () => void {
    return this.#member?.introduced(member) ?? (() => undefined);
  }

  deliver(messages: readonly RaftMessage[]): void {
    this.#member?.deliver(messages);
  }

  /**
   * The transport's own connection to this peer broke without a goodbye and the redial was refused: when it is the leader, this member
   * does not wait for the election timeout. Never to be called for a link that is only silent.
   */
  peerLost(raftId: number): void {
    this.#member?.peerLost(raftId);
  }

  snapshotReceived(message: RaftMessage): SnapshotProgress {
    return this.#place().snapshotReceived(message);
  }

  receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress): Promise<void> {
    return this.#place().receiveSnapshot(message, chunks, after);
  }

  /** To be called after `run` has settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
  }

  async #resume(state: LogState): Promise<void> {
    const { dataDir, logger } = this.#options;
    const snapshot = await resume(state, {
      directory: dataDir,
      storage: this.#log.storage,
      folder: this.#folder,
      logger,
      restore: (place) => this.#machine.restore(place),
    });
    if (snapshot === null) this.#membership.reset(state.seeds, null);
    this.#takePlace(state.raftId);
  }

  /** A log that is gone leaves its snapshots; only the first may be there before a log is, when founding was cut short. */
  async #assertNothingLost(): Promise<void> {
    const newest = (await this.#folder.list())[0];
    if (newest === undefined || newest.index === 1) return;
    throw damagedLog({ directory: this.#options.dataDir, key: "log", index: newest.index, what: "the log is gone, and snapshots are there" });
  }

  #takePlace(raftId: number): void {
    const { clock, random, logger, store, transport } = this.#options;
    this.#member = new GroupMember({
      raftId,
      clock,
      random,
      logger,
      store,
      transport,
      log: this.#log,
      folder: this.#folder,
      membership: this.#membership,
      machine: this.#machine,
    });
    this.#member.onRoleChange((leadership) => {
      for (const listener of [...this.#listeners]) listener(leadership);
    });
  }

  #place(): GroupMember {
    if (this.#member === null) throw new ClusterError("failed_precondition", "this node has no place in a raft group yet");
    return this.#member;
  }

  #assertNew(): void {
    if (this.#member !== null) throw new ClusterError("failed_precondition", `${this.#options.dataDir} holds a member of a raft group already`);
  }
}
