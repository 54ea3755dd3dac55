import { setMaxListeners } from "node:events";
import type { MemberStatus } from "../api/http/backend.js";
import { unlessAborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { Manager } from "../manager/manager.js";
import { flawOfDates } from "../pki/identity.js";
import type { RecordCodec } from "../replica/record-codec.js";
import { type GroupOrigin, Replica } from "../replica/replica.js";
import type { ReplicaStatus } from "../replica/replica-status.js";
import { createClient } from "../rpc/client.js";
import { Connection } from "../rpc/connection.js";
import { ForwardClient } from "../rpc/forward-client.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { TlsRaftTransport } from "../rpc/raft-transport.js";
import type { RpcServer } from "../rpc/server.js";
import { Store } from "../store/store.js";
import type { StoreEvent, StoreView } from "../store/view.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";
import { type LogBatch, LogsService, type SubscribeLogsRequest } from "../wire/generated/dispatcher.js";
import type { Member } from "../wire/generated/raft.js";
import { LeaderTerm } from "./leader-term.js";
import { LeaderlessTime } from "./leaderless-time.js";
import { followUntilStop } from "./manager-changes.js";
import { managerServer } from "./manager-server.js";
import { notAManager } from "./swarm-refusals.js";
import { LEADER_PATIENCE_MS, noLeader, type WriteRoute, type WriteTarget, write } from "./writes.js";

/** How often a member that joined looks whether it was made a voter, which the leader does within a tick of its having caught up. */
const PROMOTION_POLL_MS = 20;

/** A leader that stops waits this long for a successor. */
const HAND_OVER_MS_MAX = 1_000;

/** How a manager begins: founding a group, with a place that the leader gave it, or with what is on disk. */
export type ManagerStart =
  | { readonly type: "bootstrap"; readonly incarnation: string }
  | { readonly type: "join"; readonly raftId: number; readonly members: readonly Member[]; readonly incarnation: string }
  | { readonly type: "resume"; readonly incarnation: string };

export interface ManagerRoleOptions {
  readonly identity: LiveIdentity;
  readonly dataDir: string;
  /** Seals what is in `dataDir`. */
  readonly codec: RecordCodec;
  /** host:port. */
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  /** The same as it is by now, of a host whose address may change. */
  readonly currentAddress?: () => string;
  readonly start: ManagerStart;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * What a manager runs: its copy of the store, the server on 2377, and the leader's loops for as long as it leads. The loops are stopped before
 * another term begins here; their writes fail by themselves when leadership was lost.
 */
export class ManagerRole implements WriteRoute, AsyncDisposable {
  readonly store: Store;
  readonly incarnation: string;
  readonly #options: ManagerRoleOptions;
  readonly #replica: Replica;
  readonly #transport: TlsRaftTransport;
  readonly #forward: ForwardClient;
  readonly #term: LeaderTerm;
  readonly #leaderless: LeaderlessTime;
  readonly #server: RpcServer;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #failure = deferred<never>();
  readonly #knownCommit: number;
  #isPlaceLost = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: ManagerRoleOptions, store: Store, replica: Replica, transport: TlsRaftTransport) {
    const { identity, clock, random, logger } = options;
    const { incarnation } = options.start;
    this.#options = options;
    this.store = store;
    this.incarnation = incarnation;
    this.#replica = replica;
    this.#knownCommit = replica.status().commit;
    this.#transport = transport;
    this.#forward = new ForwardClient({ identity, clock, incarnation });
    const parts = { identity, incarnation, store, replica, clock, random, logger };
    this.#leaderless = new LeaderlessTime(clock);
    this.#term = new LeaderTerm({ ...parts, onOver: () => this.#follow(), onFailure: (cause) => this.#failure.reject(cause) });
    this.#server = managerServer({
      ...parts,
      leading: () => this.leading(),
      leaderAddress: () => this.leaderAddress(),
      write: (request) => this.write(request),
    });
    // All that follow the changes listen.
    setMaxListeners(0, this.#stop.signal);
    // Who waits for it hears of it; nobody has to.
    this.#failure.promise.catch(() => undefined);
  }

  /** Opens the log, serves, and takes part. Throws what keeps it from that: a damaged log, a port that is in use. */
  static async open(options: ManagerRoleOptions): Promise<ManagerRole> {
    const { identity, clock, random, logger, dataDir, start, advertiseAddress, currentAddress = () => advertiseAddress } = options;
    const store = new Store({ clock });
    // The transport is there before the replica that hears of lost peers.
    let peerLost: (raftId: number) => void = () => undefined;
    let leftBehind: (cause: ClusterError) => void = () => undefined;
    const self = () => ({ raftId: replica.status().raftId, nodeId: identity.nodeId, address: currentAddress() });
    const transport = new TlsRaftTransport({
      identity,
      self,
      clusterId: identity.identity.clusterId,
      incarnation: start.incarnation,
      clock,
      random,
      logger,
      onPeerLost: (raftId) => peerLost(raftId),
      onLeftBehind: (cause) => leftBehind(cause),
    });
    const replica: Replica = await Replica.open({ dataDir, codec: options.codec, clock, random, logger, store, transport });
    peerLost = (raftId) => replica.peerLost(raftId);
    try {
      await takePlace(replica, options);
    } catch (cause) {
      await replica[Symbol.asyncDispose]();
      throw cause;
    }
    const role = new ManagerRole(options, store, replica, transport);
    try {
      await role.#server.listen(options.listenAddress);
    } catch (cause) {
      await role.#close();
      throw cause;
    }
    role.#begin();
    // Whoever founded the cluster anew has the last word: two that go on side by side would both command the workers.
    leftBehind = (cause) => role.leftBehind(cause);
    return role;
  }

  get raftId(): number {
    return this.#replica.status().raftId;
  }

  /** Rejects when the member's part is over, by its disk or since the cluster was founded anew without it; never resolves. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  status(): ReplicaStatus {
    return this.#replica.status();
  }

  /** True once all is applied that this member knew to be committed when it was opened: until then, its copy is of a snapshot, which may be much older. */
  get hasRecalled(): boolean {
    return this.status().applied >= this.#knownCommit;
  }

  /** True when the group went on without this member: its place is gone for ever, a new one has to be asked for. */
  get isRemoved(): boolean {
    return this.#isPlaceLost || this.#replica.leadership.isRemoved;
  }

  /** The leader said that this member is none: its log ends before the entry that would. */
  losePlace(): void {
    this.#isPlaceLost = true;
    for (const listener of [...this.#listeners]) listener();
  }

  /** The cluster was founded anew without this member, as one of its managers said: its part is over. */
  leftBehind(cause: ClusterError): void {
    this.#failure.reject(cause);
  }

  /** Where another member is, as somebody found out: it counts before what the log says, until that member says itself where it is. False when this one knows of none with that id. */
  meet({ nodeId, address }: { readonly nodeId: string; readonly address: string }): boolean {
    const member = this.#replica.members().find((other) => other.nodeId === nodeId);
    if (member !== undefined) this.#replica.introduced({ raftId: member.raftId, nodeId, address });
    return member !== undefined;
  }

  /** What this member offers while it leads. */
  leading(): Manager | null {
    return this.#term.manager;
  }

  /** host:port; "" when none is known. */
  leaderAddress(): string {
    return this.#replica.leadership.leader?.address ?? "";
  }

  /** A manager outside its certificate is nobody to the others. */
  whyNoLeader(): string {
    const { identity, clock } = this.#options;
    const flaw = flawOfDates(identity.identity, clock.now());
    return flaw === "" ? "" : `This manager's certificate ${flaw}, and the others do not take part with it.`;
  }

  /** Resolves once this member leads and its loops run. */
  async led(): Promise<void> {
    while (this.#term.manager === null) await Promise.race([this.#changed(), this.failure]);
  }

  /** Resolves once this member holds what was acknowledged before, and votes: from then on the group can lose another one instead. */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#replica.readIndex();
        if (this.#isVoter()) return;
        await this.#options.clock.sleep(PROMOTION_POLL_MS, signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (!(cause instanceof ClusterError) || cause.code !== "no_leader") throw cause;
      }
    }
  }

  async read(): Promise<StoreView> {
    try {
      await this.#replica.readIndex({ timeoutMs: LEADER_PATIENCE_MS });
    } catch (cause) {
      if (this.isRemoved) throw notAManager(true); // This node is about to become a worker, or a new member.
      throw cause instanceof ClusterError && cause.code === "no_leader" ? noLeader(this.whyNoLeader()) : cause;
    }
    return this.store.view;
  }

  /** As the store's own, until this member stops. */
  readonly changes: Pick<Store, "past" | "follow"> = {
    past: (kinds) => this.store.past(kinds),
    follow: (options) => followUntilStop(this.store, options, this.#stop.signal),
  };

  write(request: ControlRequest): Promise<ControlReply> {
    return write(request, this, this.#options.clock);
  }

  target(): WriteTarget {
    const manager = this.leading();
    if (manager !== null) return { type: "local", execute: (request) => manager.control.execute(request) };
    if (this.#replica.leadership.leader === undefined || this.#replica.leadership.isLeader) return { type: "none" };
    return { type: "remote", execute: (request) => this.#forward.execute(request) };
  }

  /** See Replica. */
  reseal(signal: AbortSignal): Promise<void> {
    return this.#replica.reseal(signal);
  }

  /** The state as of a moment after the call, with its place in the log: later changes do not touch it. Throws like `read`. */
  async snapshot(): Promise<GroupOrigin> {
    await this.read();
    const { applied, term } = this.status();
    return { objects: this.store.objects(), index: Math.max(applied, this.store.revision), term };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One that does not vote yet is not counted on: it is shown as not reachable. */
  members(): readonly MemberStatus[] {
    const { nodeId } = this.#options.identity;
    const members = this.#replica.members();
    return members.map((member) => ({
      nodeId: member.nodeId,
      address: member.address,
      isLeader: member.isLeader,
      isReachable: member.isVoter && (member.isReachable || member.nodeId === nodeId),
    }));
  }

  async *subscribeLogs(request: SubscribeLogsRequest, signal: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    const manager = this.leading();
    if (manager !== null) {
      yield* manager.logBroker.subscribe(request, signal);
      return;
    }
    const { leader } = this.#replica.leadership;
    if (leader === undefined) throw noLeader(this.whyNoLeader());
    const { identity, clock } = this.#options;
    using connection = new Connection({ address: leader.address, clock, security: { type: "mutual", identity, nodeId: leader.nodeId } });
    yield* createClient(connection, LogsService).subscribeLogs(request, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handOver();
    this.#stop.abort();
    await this.#running;
    await this.#close();
  }

  /** A leader that stops says goodbye, so that the others would wait for its lease to end; whoever takes over from it does at once. */
  async #handOver(): Promise<void> {
    const { clock, logger } = this.#options;
    if (!this.#replica.leadership.isLeader || this.#replica.members().length === 1) return;
    const late = new AbortController();
    const cancel = clock.after(HAND_OVER_MS_MAX, () => late.abort(new ClusterError("deadline_exceeded", `no answer within ${HAND_OVER_MS_MAX} ms`)));
    try {
      await unlessAborted(late.signal, this.#replica.transferLeadership());
    } catch (cause) {
      logger.info({ err: cause }, "this manager stops, and nobody took leadership over from it");
    } finally {
      cancel();
    }
  }

  #isVoter(): boolean {
    const { nodeId } = this.#options.identity;
    return this.#replica.members().some((member) => member.nodeId === nodeId && member.isVoter);
  }

  #begin(): void {
    const stopListening = this.#replica.onRoleChange(() => this.#follow());
    // A root may have been dropped.
    const stopMinding = this.#options.identity.onReplace(() => this.#server.reauthorize());
    const stopWatching = this.store.watch((events) => {
      if (events.some(isLossOfRights)) this.#server.reauthorize();
    });
    this.#running = this.#replica
      .run(this.#stop.signal)
      .catch((cause: unknown) => {
        if (!this.#stop.signal.aborted) this.#failure.reject(cause);
      })
      .finally(() => {
        stopListening();
        stopWatching();
        stopMinding();
        this.#term.end();
      });
    this.#follow();
  }

  /** Called whenever leadership changes: starts and stops the leader's loops, and turns forwarded writes to where they belong. */
  #follow(): void {
    const { isLeader, leader } = this.#replica.leadership;
    this.#leaderless.see(leader?.raftId);
    this.#forward.setLeader(isLeader || leader === undefined ? null : leader);
    if (!isLeader) this.#term.end();
    else if (!this.#stop.signal.aborted && this.#term.begin(this.#leaderless.lastMs)) this.#server.reauthorize();
    for (const listener of [...this.#listeners]) listener();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.onChange(() => {
        stop();
        resolve();
      });
    });
  }

  async #close(): Promise<void> {
    await this.#server.close();
    await this.#forward[Symbol.asyncDispose]();
    await this.#transport[Symbol.asyncDispose]();
    await this.#replica[Symbol.asyncDispose]();
  }
}

function isLossOfRights(event: StoreEvent): boolean {
  return event.kind === "node" && (event.action === "remove" || (event.action === "update" && event.object.role !== event.previous.role));
}

/** A member begins once: after that its place is on disk. */
async function takePlace(replica: Replica, { identity, advertiseAddress, dataDir, start }: ManagerRoleOptions): Promise<void> {
  if (start.type === "bootstrap") await replica.bootstrap({ nodeId: identity.nodeId, address: advertiseAddress });
  if (start.type === "join" && replica.isNew) await replica.adopt(start);
  if (start.type === "resume" && replica.isNew) {
    throw new ClusterError("failed_precondition", `the raft log in ${dataDir} is gone; remove this node from the swarm, leave by force, and join again`);
  }
}
