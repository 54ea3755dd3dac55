import type { Clock } from "../../src/base/clock.js";
import type { Dispatcher } from "../../src/manager/dispatcher/dispatcher.js";
import type { NodeDescription, Task, TaskState, TaskStatus } from "../../src/model/objects.js";
import { isAtLeast, isTerminal } from "../../src/model/task-state.js";
import type { AssignmentsMessage, SessionMessage } from "../../src/wire/generated/dispatcher.js";
import { nodeDescription } from "./node-description.js";

/** An agent without containers: every task runs as soon as it may, and stops when told. */
export class FakeAgent {
  readonly caller: { readonly nodeId: string; readonly address: string };
  description: NodeDescription;
  readonly sessions: SessionMessage[] = [];
  readonly messages: AssignmentsMessage[] = [];
  /** What ended the last session. */
  error: unknown = null;
  beats = true;
  /** False makes it report nothing of its tasks. */
  runs = true;
  readonly #dispatcher: Dispatcher;
  readonly #clock: Clock;
  readonly #reported = new Map<string, TaskState>();
  #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodeId: string, options: { readonly dispatcher: Dispatcher; readonly clock: Clock }) {
    this.caller = { nodeId, address: "10.0.0.9" };
    this.description = nodeDescription(nodeId);
    this.#dispatcher = options.dispatcher;
    this.#clock = options.clock;
  }

  get sessionId(): string {
    return this.sessions.at(-1)?.sessionId ?? "";
  }

  start(): void {
    this.#stop = new AbortController();
    this.#running = this.#run(this.#stop.signal).catch((cause: unknown) => {
      this.error = cause;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the agent stops"));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const session = this.#dispatcher.session(this.caller, { description: this.description, sessionId: "", incarnation: "incarnation1" }, signal);
    const first = await session.next();
    if (first.done) return;
    this.sessions.push(first.value);
    const inner = new AbortController();
    const end = AbortSignal.any([signal, inner.signal]);
    const parts = [this.#follow(session), this.#assignments(end), this.#beat(end)].map((part) =>
      part.finally(() => inner.abort(new Error("another part ended"))),
    );
    const outcomes = await Promise.allSettled(parts);
    for (const outcome of outcomes)
      if (outcome.status === "rejected" && this.error === null && !end.reason?.message?.includes(outcome.reason?.message)) throw outcome.reason;
  }

  async #follow(session: AsyncGenerator<SessionMessage>): Promise<void> {
    for await (const message of session) this.sessions.push(message);
  }

  async #beat(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { periodNs } = this.beats ? await this.#dispatcher.heartbeat(this.caller, { sessionId: this.sessionId }) : { periodNs: 1_000_000_000n };
      await this.#clock.sleep(Number(periodNs) / 1e6, signal);
    }
  }

  async #assignments(signal: AbortSignal): Promise<void> {
    for await (const message of this.#dispatcher.assignments(this.caller, { sessionId: this.sessionId }, signal)) {
      this.messages.push(message);
      const updates = message.changes.flatMap((change) => (change.type === "updateTask" ? this.#statusesOf(change.updateTask) : []));
      if (updates.length > 0) await this.#dispatcher.updateTaskStatus(this.caller, { sessionId: this.sessionId, updates });
    }
  }

  #statusesOf(task: Task): { taskId: string; status: TaskStatus }[] {
    const current = this.#reported.get(task.id) ?? task.status?.state ?? "new";
    if (isTerminal(current) || !this.runs) return [];
    const state: TaskState = isAtLeast(task.desiredState, "shutdown") ? "shutdown" : task.desiredState === "ready" ? "ready" : "running";
    this.#reported.set(task.id, state);
    const status = { state, timestampMs: this.#clock.now(), message: state, error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0 };
    return [{ taskId: task.id, status }];
  }
}
