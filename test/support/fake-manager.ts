import { onAbort } from "../../src/base/abort.js";
import { ClusterError } from "../../src/base/errors.js";
import { Queue } from "./queue.js";
import type { ManagerClient, ManagerConnection, ManagerConnector } from "../../src/agent/manager-client.js";
import type { Task, TaskState, TaskStatus } from "../../src/model/objects.js";
import type {
  AssignmentChange,
  AssignmentsMessage,
  AssignmentsRequest,
  HeartbeatReply,
  HeartbeatRequest,
  ListenSubscriptionsRequest,
  LogMessage,
  LogSubscription,
  ManagerPeer,
  PublishLogsMessage,
  SessionMessage,
  SessionRequest,
  UpdateDescriptionRequest,
  UpdateTaskStatusRequest,
} from "../../src/wire/generated/dispatcher.js";

/** A leader's dispatcher for one agent: keeps what the agent says, and lets a test assign, refuse, break and go silent. */
export class FakeManager implements ManagerClient, ManagerConnector {
  readonly sessions: SessionRequest[] = [];
  readonly hints: string[] = [];
  readonly learned: (readonly ManagerPeer[])[] = [];
  readonly descriptions: UpdateDescriptionRequest[] = [];
  readonly statuses = new Map<string, TaskStatus>();
  /** Every state that was reported for a task, in order. */
  readonly history = new Map<string, TaskState[]>();
  readonly published: LogMessage[] = [];
  readonly closedSubscriptions: string[] = [];
  heartbeats = 0;
  assignmentStreams = 0;
  openConnections = 0;
  periodMs = 2_000;
  /** When set, every call is refused with it. */
  refusal: ClusterError | null = null;
  /** When true, heartbeats get no answer. */
  isSilent = false;
  /** When true, streams of log lines break after their next message. */
  breaksOff = false;
  /** Nobody reads the logs any more. */
  hasEnough = false;
  subscriptionStreams = 0;
  /** When true, complete sets come with one task in each message. */
  isDivided = false;
  tasks: readonly Task[] = [];
  #sessionId = "";
  #sequence = 0;
  #news: Queue<SessionMessage> | null = null;
  #streams: { readonly messages: Queue<unknown>; fail: ClusterError | null }[] = [];
  #assignments: Queue<AssignmentsMessage> | null = null;
  #subscriptions: Queue<LogSubscription> | null = null;

  async connect(leader: string): Promise<ManagerConnection> {
    this.hints.push(leader);
    this.openConnections++;
    return { client: this, close: () => this.openConnections-- };
  }

  learn(managers: readonly ManagerPeer[]): void {
    this.learned.push(managers);
  }

  async *session(request: SessionRequest, signal: AbortSignal): AsyncGenerator<SessionMessage> {
    this.#check();
    this.sessions.push(request);
    this.#sessionId = `session-${this.sessions.length}`;
    yield { sessionId: this.#sessionId, node: null, managers: [{ nodeId: "m1", address: "10.0.0.1:2377" }], rootCertificate: "" };
    this.#news = new Queue(100);
    yield* this.#stream<SessionMessage>(this.#news, signal);
  }

  /** As a cluster whose period is changed: heartbeats are answered with it, and the node is told at once. */
  changePeriod(periodMs: number): void {
    this.periodMs = periodMs;
    this.#news?.push({ sessionId: this.#sessionId, node: null, managers: [], rootCertificate: "", heartbeatPeriodNs: BigInt(periodMs) * 1_000_000n });
  }

  async heartbeat(request: HeartbeatRequest, signal: AbortSignal): Promise<HeartbeatReply> {
    this.#check(request.sessionId);
    this.heartbeats++;
    if (this.isSilent) await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    return { periodNs: BigInt(this.periodMs) * 1_000_000n };
  }

  async updateTaskStatus(request: UpdateTaskStatusRequest): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#check(request.sessionId);
    for (const { taskId, status } of request.updates) {
      if (status === null) continue;
      this.statuses.set(taskId, status);
      this.history.set(taskId, [...(this.history.get(taskId) ?? []), status.state]);
    }
  }

  async updateDescription(request: UpdateDescriptionRequest): Promise<void> {
    this.#check(request.sessionId);
    this.descriptions.push(request);
  }

  async *assignments(request: AssignmentsRequest, signal: AbortSignal): AsyncGenerator<AssignmentsMessage> {
    this.#check(request.sessionId);
    this.assignmentStreams++;
    const queue = new Queue<AssignmentsMessage>(1000);
    this.#assignments = queue;
    const changes = this.tasks.map(updateOf);
    for (const change of this.isDivided ? changes.splice(0, changes.length - 1) : [])
      queue.push({ kind: "complete", appliesTo: "", resultsIn: String(++this.#sequence), changes: [change], hasMore: true });
    queue.push({ kind: "complete", appliesTo: "", resultsIn: String(++this.#sequence), changes });
    yield* this.#stream(queue, signal);
  }

  async *listenSubscriptions(request: ListenSubscriptionsRequest, signal: AbortSignal): AsyncGenerator<LogSubscription> {
    this.#check(request.sessionId);
    this.subscriptionStreams++;
    const queue = new Queue<LogSubscription>(100);
    this.#subscriptions = queue;
    yield* this.#stream(queue, signal);
  }

  async publishLogs(messages: AsyncIterable<PublishLogsMessage>): Promise<void> {
    for await (const message of messages) {
      this.published.push(...message.messages);
      if (this.breaksOff) throw new ClusterError("unavailable", "the connection broke");
      if (this.hasEnough) return;
      if (message.close) this.closedSubscriptions.push(message.subscriptionId);
    }
  }

  /** Sends an incremental set; what it says is also part of later complete ones. */
  assign(...tasks: readonly Task[]): void {
    this.tasks = [...this.tasks.filter((old) => !tasks.some((task) => task.id === old.id)), ...tasks];
    this.send(tasks.map(updateOf));
  }

  withdraw(...taskIds: readonly string[]): void {
    this.tasks = this.tasks.filter((task) => !taskIds.includes(task.id));
    this.send(taskIds.map((removeTask) => ({ type: "removeTask", removeTask })));
  }

  /** `appliesTo` other than the last set breaks the chain. */
  send(changes: readonly AssignmentChange[], appliesTo = String(this.#sequence)): void {
    this.#assignments?.push({ kind: "incremental", appliesTo, resultsIn: String(++this.#sequence), changes });
  }

  subscribe(subscription: LogSubscription): void {
    this.#subscriptions?.push(subscription);
  }

  /** The connection breaks: every stream ends with an error. */
  break(error = new ClusterError("unavailable", "connection reset")): void {
    for (const stream of this.#streams.splice(0)) {
      stream.fail = error;
      stream.messages.close();
    }
  }

  /** The manager forgets the session without telling. */
  forgetSession(): void {
    this.#sessionId = "forgotten";
  }

  #check(sessionId?: string): void {
    if (this.refusal !== null) throw this.refusal;
    if (sessionId !== undefined && sessionId !== this.#sessionId) throw new ClusterError("invalid_argument", `session ${sessionId} is not registered`);
  }

  async *#stream<T>(messages: Queue<T>, signal: AbortSignal): AsyncGenerator<T> {
    const stream = { messages: messages as Queue<unknown>, fail: null as ClusterError | null };
    this.#streams.push(stream);
    onAbort(signal, () => messages.close());
    for await (const message of messages) yield message;
    if (stream.fail !== null) throw stream.fail;
    if (signal.aborted) throw signal.reason;
  }
}

function updateOf(task: Task): AssignmentChange {
  return { type: "updateTask", updateTask: task };
}
