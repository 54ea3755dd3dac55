import { isDeepStrictEqual } from "node:util";
import { AbortScope, aborted } from "../../base/abort.js";
import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import type { Random } from "../../base/random.js";
import { DEFAULT_CLUSTER_SPEC, msOf } from "../../model/defaults.js";
import { assertNotForeign, assertSameIncarnation } from "../../model/incarnation.js";
import type { Node, NodeDescription, TaskStatus } from "../../model/objects.js";
import { trustBundle } from "../../pki/authority.js";
import type { Store } from "../../store/store.js";
import type { StoreEvent } from "../../store/view.js";
import type {
  AssignmentsMessage,
  AssignmentsRequest,
  HeartbeatReply,
  HeartbeatRequest,
  SessionMessage,
  SessionRequest,
  UpdateDescriptionRequest,
  UpdateTaskStatusRequest,
} from "../../wire/generated/dispatcher.js";
import type { Membership } from "../control/membership.js";
import { nextTurn } from "../../base/next-turn.js";
import { AssignmentSet } from "./assignment-set.js";
import type { Caller } from "./caller.js";
import { NodeWatch } from "./node-watch.js";
import { boundedDescription, boundedStatus } from "./reported.js";
import { MISSED_HEARTBEATS_MAX, nodeRemoved, Session, sessionInvalid } from "./session.js";
import { StatusBatcher } from "./status-batcher.js";
import { TaskChanges } from "./task-changes.js";

/** Part of the heartbeat period by which replies differ, so that nodes do not beat in step. */
const PERIOD_JITTER = 0.1;
/** When nobody led for so long, nodes look for a leader only now and then: a new one leaves them the time for that. */
const LEADERLESS_MS_MAX = 5_000;
/** An agent's longest delay (8 s) and attempts at managers that do not answer (3 s each). */
const LATE_GRACE_MS = 20_000;

/** What agents talk to on the leader: registration, heartbeats, assignments and reports (swarm-surface 3.10). Serves while `run` runs. */
export class Dispatcher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #membership: Pick<Membership, "members">;
  readonly #leaderlessMs: number;
  readonly #sessions = new Map<string, Session>();
  readonly #statuses: StatusBatcher;
  readonly #taskChanges = new TaskChanges();
  #nodes: NodeWatch | null = null;
  /** Who is asked to renew its certificate, and for one of which authority. */
  #renewals: { readonly nodeIds: ReadonlySet<string>; readonly issuerKeyDigest: string } = { nodeIds: new Set(), issuerKeyDigest: "" };

  constructor(options: {
    readonly store: Store;
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
    readonly membership: Pick<Membership, "members">;
    readonly leaderlessMs: number;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#membership = options.membership;
    this.#leaderlessMs = options.leaderlessMs;
    this.#statuses = new StatusBatcher(options);
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. Every stream has been told to end by then. */
  async run(signal: AbortSignal): Promise<void> {
    using over = new AbortScope(signal);
    let failure: unknown;
    const fail = (cause: unknown) => {
      failure ??= cause;
      over.abort();
    };
    const nodes = new NodeWatch({ store: this.#store, clock: this.#clock, onError: fail });
    const stop = this.#store.watch((events) => this.#onEvents(events, nodes));
    try {
      const started = nodes.start(this.#graceMs());
      this.#nodes = nodes;
      started.catch(fail);
      await aborted(over.signal);
    } finally {
      this.#nodes = null;
      stop();
      nodes.stop();
      for (const session of [...this.#sessions.values()]) this.#end(session, notServing());
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Registers a node, or continues its session, and tells it what it must know of itself and the managers, at once and whenever that changes.
   * Throws `permission_denied` for a node that is not in the cluster, `failed_precondition` for another incarnation of it, `unavailable` when not serving.
   */
  async *session(caller: Caller, request: SessionRequest, signal: AbortSignal): AsyncGenerator<SessionMessage, void, undefined> {
    const session = await this.#register(caller, request);
    using end = new AbortScope(signal, session.signal);
    let sent: SessionMessage | undefined;
    for (;;) {
      if (session.signal.aborted) throw session.signal.reason;
      const message = this.#sessionMessage(session);
      if (sent === undefined || !isSameNews(sent, message)) {
        sent = message;
        yield message;
      }
      if (await isOver(session.news.changed(end.signal), signal)) return;
    }
  }

  /** Throws `invalid_argument` when the session is over: the node must register again. */
  async heartbeat(caller: Caller, request: HeartbeatRequest): Promise<HeartbeatReply> {
    const session = this.#sessionOf(caller, request.sessionId);
    session.heard(this.#periodMs());
    // Membership has no events of its own: looking at each heartbeat keeps a node's list of managers fresh.
    session.news.wake();
    const periodNs = this.#periodNs();
    return { periodNs: periodNs - BigInt(Math.floor(Number(periodNs) * PERIOD_JITTER * this.#random.next())) };
  }

  /** Resolves once committed. Throws `permission_denied` for a task of another node; a task that is gone is accepted silently. */
  async updateTaskStatus(caller: Caller, request: UpdateTaskStatusRequest): Promise<void> {
    this.#sessionOf(caller, request.sessionId);
    const updates: { taskId: string; status: TaskStatus }[] = [];
    for (const { taskId, status } of request.updates) {
      const task = this.#store.view.tasks.get(taskId);
      if (status === null) throw new ClusterError("invalid_argument", `report on task ${taskId} has no status`);
      if (task === undefined) continue;
      if (task.nodeId !== caller.nodeId) throw new ClusterError("permission_denied", `task ${taskId} is not assigned to node ${caller.nodeId}`);
      updates.push({ taskId, status: boundedStatus(task, status) });
    }
    await this.#statuses.report(caller.nodeId, updates);
  }

  /** The node changed: its resources, labels or plugins. */
  async updateDescription(caller: Caller, request: UpdateDescriptionRequest): Promise<void> {
    this.#sessionOf(caller, request.sessionId);
    const description = boundedDescription(caller.nodeId, request.description);
    this.#store.assertRoom();
    await this.#store.update((tx) => {
      const node = tx.nodes.get(caller.nodeId);
      if (node === undefined) throw nodeRemoved(caller.nodeId);
      if (!isDeepStrictEqual(node.description, description)) tx.update("node", { ...node, description });
    });
  }

  /** All tasks of the node, then what changes. Ends with the session's error when the session is over. */
  async *assignments(caller: Caller, request: AssignmentsRequest, signal: AbortSignal): AsyncGenerator<AssignmentsMessage, void, undefined> {
    const session = this.#sessionOf(caller, request.sessionId);
    using end = new AbortScope(signal, session.signal);
    const set = new AssignmentSet();
    const changes = this.#taskChanges.follow(caller.nodeId);
    try {
      yield* set.complete(this.#store.view.tasks.byNode(caller.nodeId));
      for (;;) {
        if (await isOver(changes.changed(end.signal), signal)) return;
        // Whatever else this turn brings goes into the same message.
        await nextTurn();
        yield* set.incremental(changes.take().map((id) => [id, this.#store.view.tasks.get(id)] as const));
      }
    } finally {
      changes.stop();
    }
  }

  /** Tells these nodes, and no others any more, to get a certificate of the authority that the digest names. */
  askToRenew(nodeIds: ReadonlySet<string>, issuerKeyDigest: string): void {
    const before = this.#renewals;
    this.#renewals = { nodeIds, issuerKeyDigest };
    for (const nodeId of [...before.nodeIds, ...nodeIds]) this.#sessions.get(nodeId)?.news.wake();
  }

  /** The session that the node says it has. For the log broker too. Throws as `heartbeat` does. */
  requireSession(caller: Caller, sessionId: string): Session {
    return this.#sessionOf(caller, sessionId);
  }

  async #register(caller: Caller, request: SessionRequest): Promise<Session> {
    const nodes = this.#nodes;
    if (nodes === null) throw notServing();
    this.#assertIncarnation(caller.nodeId, request.incarnation);
    const description = boundedDescription(caller.nodeId, request.description);
    if (this.#store.view.nodes.get(caller.nodeId) === undefined) throw nodeRemoved(caller.nodeId);
    // It was heard, also when it is asked to come again later.
    this.#sessions.get(caller.nodeId)?.heard(this.#periodMs());
    await nodes.register(caller.nodeId, this.#graceMs(), async () => {
      this.#store.assertRoom();
      await this.#store.update((tx) => {
        const node = tx.nodes.get(caller.nodeId);
        if (node === undefined) throw nodeRemoved(caller.nodeId);
        const next = registered(node, caller.address, description);
        if (!isDeepStrictEqual(next, node)) tx.update("node", next);
      });
    });
    if (this.#nodes !== nodes) throw notServing();
    nodes.forget(caller.nodeId);
    const existing = this.#sessions.get(caller.nodeId);
    if (existing !== undefined && existing.id === request.sessionId) {
      existing.heard(this.#periodMs());
      return existing;
    }
    if (existing !== undefined) this.#end(existing, sessionInvalid());
    return this.#open(caller.nodeId, nodes);
  }

  #open(nodeId: string, nodes: NodeWatch): Session {
    const session: Session = new Session({
      nodeId,
      clock: this.#clock,
      periodMs: this.#periodMs(),
      isWaiting: () => nodes.isRegistering(nodeId),
      onSilence: () => {
        this.#logger.warn({ nodeId }, "node is down: it missed its heartbeats");
        this.#end(session, sessionInvalid());
        nodes.markDown(nodeId);
      },
    });
    this.#sessions.set(nodeId, session);
    return session;
  }

  #end(session: Session, reason: ClusterError): void {
    if (this.#sessions.get(session.nodeId) === session) this.#sessions.delete(session.nodeId);
    session.end(reason);
  }

  /** A worker comes over from an incarnation before this one; a manager of one was left behind, and must not be mixed up with those of today. */
  #assertIncarnation(nodeId: string, incarnation: string): void {
    const { cluster, nodes } = this.#store.view;
    if (cluster === undefined) return;
    if (nodes.get(nodeId)?.role === "manager") assertSameIncarnation(cluster, incarnation);
    else assertNotForeign(cluster, incarnation);
  }

  #sessionOf(caller: Caller, sessionId: string): Session {
    if (this.#nodes === null) throw notServing();
    if (this.#store.view.nodes.get(caller.nodeId) === undefined) throw nodeRemoved(caller.nodeId);
    const session = this.#sessions.get(caller.nodeId);
    if (session === undefined || session.id !== sessionId) throw sessionInvalid();
    return session;
  }

  #sessionMessage(session: Session): SessionMessage {
    const node = this.#store.view.nodes.get(session.nodeId);
    if (node === undefined) throw nodeRemoved(session.nodeId);
    const rootCa = this.#store.view.cluster?.rootCa ?? null;
    return {
      sessionId: session.id,
      node,
      managers: this.#membership.members().map(({ nodeId, address }) => ({ nodeId, address })),
      rootCertificate: rootCa === null ? "" : trustBundle(rootCa),
      incarnation: this.#store.view.cluster?.incarnation ?? "",
      heartbeatPeriodNs: this.#periodNs(),
      ...(this.#renewals.nodeIds.has(session.nodeId) ? { issuerKeyDigest: this.#renewals.issuerKeyDigest } : {}),
    };
  }

  #onEvents(events: readonly StoreEvent[], nodes: NodeWatch): void {
    for (const event of events) {
      if (event.kind === "task") this.#taskChanges.add(event.object.nodeId, event.object.id);
      else if (event.kind === "cluster") this.#onCluster();
      else if (event.kind === "node") this.#onNode(event.object.id, event.action === "remove", nodes);
    }
  }

  #onCluster(): void {
    for (const session of this.#sessions.values()) {
      session.expectWithin(this.#periodMs());
      session.news.wake();
    }
  }

  #onNode(nodeId: string, isRemoved: boolean, nodes: NodeWatch): void {
    const session = this.#sessions.get(nodeId);
    if (!isRemoved) session?.news.wake();
    else {
      nodes.forget(nodeId);
      if (session !== undefined) this.#end(session, nodeRemoved(nodeId));
    }
  }

  #periodNs(): bigint {
    return this.#store.view.cluster?.spec?.heartbeatPeriodNs ?? DEFAULT_CLUSTER_SPEC.heartbeatPeriodNs;
  }

  /** What nodes have to register with a new leader. */
  #graceMs(): number {
    const usualMs = MISSED_HEARTBEATS_MAX * this.#periodMs();
    return this.#leaderlessMs <= LEADERLESS_MS_MAX ? usualMs : Math.max(usualMs, LATE_GRACE_MS);
  }

  #periodMs(): number {
    return msOf(this.#periodNs());
  }
}

function registered(node: Node, address: string, description: NodeDescription | null): Node {
  return { ...node, description: description ?? node.description, status: { state: "ready", message: "", address } };
}

/** Which part of a session message a node acts on. */
function isSameNews(a: SessionMessage, b: SessionMessage): boolean {
  const isSameNode = a.node?.role === b.node?.role && a.node?.spec === b.node?.spec;
  const isSameTrust = a.rootCertificate === b.rootCertificate && a.issuerKeyDigest === b.issuerKeyDigest && a.incarnation === b.incarnation;
  return isSameNode && isSameTrust && a.heartbeatPeriodNs === b.heartbeatPeriodNs && isDeepStrictEqual(a.managers, b.managers);
}

/** Waits; true when the caller itself hung up, which is no error. */
async function isOver(waiting: Promise<void>, hungUp: AbortSignal): Promise<boolean> {
  try {
    await waiting;
  } catch (cause) {
    if (hungUp.aborted) return true;
    throw cause;
  }
  return hungUp.aborted;
}

function notServing(): ClusterError {
  return new ClusterError("unavailable", "this manager is not the leader");
}
