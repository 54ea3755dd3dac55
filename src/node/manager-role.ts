import { caHandlers } from "../api/grpc/ca.js";
import { controlHandlers } from "../api/grpc/control.js";
import { dispatcherHandlers } from "../api/grpc/dispatcher.js";
import { logsHandlers } from "../api/grpc/logs.js";
import { raftHandlers } from "../api/grpc/raft.js";
import type { MemberStatus } from "../api/http/backend.js";
import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { CfsslClient } from "../pki/cfssl-client.js";
import type { CertificateIdentity } from "../pki/identity.js";
import { Manager } from "../manager/manager.js";
import type { RecordCodec } from "../replica/record-codec.js";
import { type GroupOrigin, Replica } from "../replica/replica.js";
import type { ReplicaStatus } from "../replica/replica-status.js";
import { createClient } from "../rpc/client.js";
import { Connection } from "../rpc/connection.js";
import { ForwardClient } from "../rpc/forward-client.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { GrpcRaftTransport } from "../rpc/raft-transport.js";
import { RpcServer } from "../rpc/server.js";
import { Store } from "../store/store.js";
import type { StoreEvent, StoreView } from "../store/view.js";
import { CaService } from "../wire/generated/ca.js";
import { type ControlReply, type ControlRequest, ControlService } from "../wire/generated/control.js";
import { DispatcherService, type LogBatch, LogsService, type SubscribeLogsRequest } from "../wire/generated/dispatcher.js";
import { type Member, RaftService } from "../wire/generated/raft.js";
import { currentRole } from "./admission.js";
import { VERSION } from "./version.js";
import { LEADER_PATIENCE_MS, noLeader, type WriteRoute, type WriteTarget, write } from "./writes.js";

/** How often a member that joined looks whether it was made a voter, which the leader does within a tick of its having caught up. */
const PROMOTION_POLL_MS = 20;

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
  readonly #transport: GrpcRaftTransport;
  readonly #forward: ForwardClient;
  readonly #server: RpcServer;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #failure = deferred<never>();
  #running: Promise<void> = Promise.resolve();
  /** The leader's loops and when they have ended. */
  #term: { readonly manager: Manager; readonly stop: AbortController; readonly ended: Promise<void> } | null = null;

  private constructor(options: ManagerRoleOptions, parts: { readonly store: Store; readonly replica: Replica; readonly transport: GrpcRaftTransport }) {
    this.#options = options;
    this.store = parts.store;
    this.incarnation = options.start.incarnation;
    this.#replica = parts.replica;
    this.#transport = parts.transport;
    this.#forward = new ForwardClient({ identity: options.identity, clock: options.clock, incarnation: this.incarnation });
    this.#server = this.#createServer();
    // Who waits for it hears of it; nobody has to.
    this.#failure.promise.catch(() => undefined);
  }

  /** Opens the log, serves, and takes part. Throws what keeps it from that: a damaged log, a port that is in use. */
  static async open(options: ManagerRoleOptions): Promise<ManagerRole> {
    const { identity, clock, random, logger, dataDir, start } = options;
    const store = new Store({ clock });
    // The transport is there before the replica that hears of lost peers.
    let peerLost: (raftId: number) => void = () => undefined;
    let leftBehind: (cause: ClusterError) => void = () => undefined;
    const transport = new GrpcRaftTransport({
      identity,
      clusterId: identity.identity.clusterId,
      incarnation: start.incarnation,
      clock,
      random,
      logger,
      onPeerLost: (raftId) => peerLost(raftId),
      onLeftBehind: (cause) => leftBehind(cause),
    });
    const replica = await Replica.open({ dataDir, codec: options.codec, clock, random, logger, store, transport });
    peerLost = (raftId) => replica.peerLost(raftId);
    try {
      await takePlace(replica, options);
    } catch (cause) {
      await replica[Symbol.asyncDispose]();
      throw cause;
    }
    const role = new ManagerRole(options, { store, replica, transport });
    try {
      await role.#server.listen(options.listenAddress);
    } catch (cause) {
      await role.#close();
      throw cause;
    }
    role.#begin();
    // Whoever founded the cluster anew has the last word: two that go on side by side would both command the workers.
    leftBehind = (cause) => role.#failure.reject(cause);
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

  /** True when the group went on without this member: its place is gone for ever, a new one has to be asked for. */
  get isRemoved(): boolean {
    return this.#replica.leadership.isRemoved;
  }

  /** What this member offers while it leads. */
  leading(): Manager | null {
    return this.#term?.manager ?? null;
  }

  /** host:port; "" when none is known. */
  leaderAddress(): string {
    return this.#replica.leadership.leader?.address ?? "";
  }

  /** Resolves once this member leads and its loops run. */
  async led(): Promise<void> {
    while (this.#term === null) await Promise.race([this.#changed(), this.failure]);
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
      throw cause instanceof ClusterError && cause.code === "no_leader" ? noLeader() : cause;
    }
    return this.store.view;
  }

  /** As the store's own, until this member stops. */
  readonly changes: Pick<Store, "past" | "follow"> = {
    past: (kinds) => this.store.past(kinds),
    follow: (options) => this.store.follow({ ...options, signal: AbortSignal.any([options.signal, this.#stop.signal]) }),
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
    if (leader === undefined) throw noLeader();
    const { identity, clock } = this.#options;
    using connection = new Connection({ address: leader.address, clock, security: { type: "mutual", identity, nodeId: leader.nodeId } });
    yield* createClient(connection, LogsService).subscribeLogs(request, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#close();
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
        this.#endTerm();
      });
    this.#follow();
  }

  /** Called whenever leadership changes: starts and stops the leader's loops, and turns forwarded writes to where they belong. */
  #follow(): void {
    const { isLeader, leader } = this.#replica.leadership;
    this.#forward.setLeader(isLeader || leader === undefined ? null : leader);
    if (!isLeader) this.#endTerm();
    else if (this.#term === null && !this.#stop.signal.aborted) this.#startTerm();
    for (const listener of [...this.#listeners]) listener();
  }

  #startTerm(): void {
    const { identity, clock, random, logger } = this.#options;
    const signer = new CfsslClient({ credentials: () => identity.credentials, clock });
    const manager = new Manager({ store: this.store, clock, random, logger, membership: this.#replica, signer });
    const stop = new AbortController();
    logger.info({ term: this.#replica.status().term }, "this manager leads the cluster");
    const ended = manager.run(stop.signal).then(
      () => this.#restartTerm(stop.signal),
      (cause: unknown) => this.#abandonTerm(stop.signal, cause),
    );
    this.#term = { manager, stop, ended };
    this.#server.reauthorize();
  }

  /** The loops ended because a write of theirs was lost; if this member leads again, or still, they begin afresh. */
  #restartTerm(ended: AbortSignal): void {
    if (ended.aborted) return;
    this.#endTerm();
    this.#follow();
  }

  #abandonTerm(ended: AbortSignal, cause: unknown): void {
    if (ended.aborted) return;
    this.#options.logger.error({ err: cause }, "a loop of the leader failed; handing leadership over");
    this.#endTerm();
    this.#replica.transferLeadership().catch((refusal: unknown) => {
      this.#failure.reject(new AggregateError([cause, refusal], `the leader's loops failed (${messageOf(cause)}) and nobody took over`));
    });
  }

  #endTerm(): void {
    const term = this.#term;
    this.#term = null;
    term?.stop.abort();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.onChange(() => {
        stop();
        resolve();
      });
    });
  }

  #createServer(): RpcServer {
    const { identity, clock, logger } = this.#options;
    const { clusterId } = identity.identity;
    const leaderAddress = () => this.leaderAddress();
    const incarnation = () => ({ incarnation: this.incarnation, formerIncarnations: this.store.view.cluster?.formerIncarnations ?? [] });
    const access = { leader: () => leaderParts(this.leading()), leaderAddress };
    // The loops of the leader run on a store that holds all that was committed before.
    const admit = (certificate: CertificateIdentity) => currentRole(this.store.view, certificate, this.#term !== null);
    return new RpcServer({ identity, clock, logger, admit })
      .add(
        CaService,
        caHandlers({
          clusterId,
          programVersion: VERSION,
          clock,
          rootCertificate: () => identity.credentials.rootCertificate,
          write: (request) => this.write(request),
        }),
      )
      .add(ControlService, controlHandlers({ control: () => this.leading()?.control ?? null, leaderAddress, incarnation }))
      .add(DispatcherService, dispatcherHandlers(access))
      .add(LogsService, logsHandlers(access))
      .add(
        RaftService,
        raftHandlers({
          clusterId,
          incarnation,
          raftId: this.raftId,
          nodeOf: (raftId) => this.#replica.nodeOf(raftId),
          inbox: this.#replica,
        }),
      );
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

function leaderParts(manager: Manager | null): { readonly dispatcher: Manager["dispatcher"]; readonly logs: Manager["logBroker"] } | null {
  return manager === null ? null : { dispatcher: manager.dispatcher, logs: manager.logBroker };
}
