import { AbortScope, aborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { NodeDescription } from "../model/objects.js";
import type { AssignmentChange, SessionMessage } from "../wire/generated/dispatcher.js";
import { LogSubscriptions } from "./log-subscriptions.js";
import type { ManagerClient } from "./manager-client.js";
import { runTogether } from "./run-together.js";
import type { Worker } from "./worker.js";

/** How long a manager may take to answer a registration. */
const REGISTER_TIMEOUT_MS = 5_000;
/** Least time given to a heartbeat; otherwise two periods. */
const HEARTBEAT_TIMEOUT_MS_MIN = 3_000;
/** The shortest period that a manager may ask for. */
const HEARTBEAT_PERIOD_MS_MIN = 50;
const DESCRIPTION_PERIOD_MS = 20_000;
/** Streams in a row that broke the chain of assignment sets. */
const BROKEN_CHAINS_MAX = 5;

export interface SessionOptions {
  readonly client: ManagerClient;
  readonly worker: Worker;
  /** Of the cluster, as this node knows it; empty for one that was never told. */
  readonly incarnation: string;
  readonly describe: () => NodeDescription;
  /** Calls when the description has changed at once, until the returned function was called. */
  readonly onDescriptionChange?: (listener: () => void) => () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with each message of the manager, the first one included. */
  readonly onMessage: (message: SessionMessage) => void;
}

/** One registration with one manager: lasts until anything of it fails. */
export class Session {
  readonly #options: SessionOptions;
  #id = "";
  #description: NodeDescription;
  /** The cluster's, as the manager said last. */
  #periodMsMax = Number.POSITIVE_INFINITY;
  #cutShort: () => void = () => undefined;
  /** Resolved when the first complete set of assignments was taken over. */
  readonly #assigned = deferred<void>();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#description = options.describe();
  }

  /** Resolves only when the signal aborts; rejects with the ClusterError that ended the session. */
  async run(signal: AbortSignal): Promise<void> {
    using scope = new AbortScope(signal);
    const { client, incarnation } = this.#options;
    const messages = client.session({ description: this.#description, sessionId: "", incarnation }, scope.signal)[Symbol.asyncIterator]();
    try {
      this.#onMessage(await this.#within(REGISTER_TIMEOUT_MS, "registration", () => next(messages)));
      await runTogether(scope.signal, [
        (inner) => {
          // The stream belongs to the whole session: when another loop fails, reading it must end too.
          inner.addEventListener("abort", () => scope.abort(), { once: true });
          return this.#readMessages(messages, inner);
        },
        (inner) => this.#beat(inner),
        (inner) => this.#followAssignments(inner),
        (inner) => this.#reportStatuses(inner),
        (inner) => this.#refreshDescription(inner),
        (inner) => new LogSubscriptions({ ...this.#options, sessionId: this.#id }).run(inner),
      ]);
    } finally {
      scope.abort();
      await messages.return?.().catch((cause: unknown) => this.#options.logger.debug({ err: cause }, "the stream of a lost session ended with an error"));
    }
  }

  #onMessage(message: SessionMessage): void {
    this.#id = message.sessionId;
    if (message.heartbeatPeriodNs !== undefined) {
      this.#periodMsMax = periodMsOf(message.heartbeatPeriodNs);
      this.#cutShort();
    }
    this.#options.onMessage(message);
  }

  async #readMessages(messages: AsyncIterator<SessionMessage>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) this.#onMessage(await next(messages));
  }

  /** Shares nothing with the rest but the connection: work on tasks never delays a heartbeat. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    let timeoutMs = REGISTER_TIMEOUT_MS;
    while (!signal.aborted) {
      const reply = await this.#within(timeoutMs, "heartbeat", () => client.heartbeat({ sessionId: this.#id }, signal));
      const periodMs = periodMsOf(reply.periodNs);
      timeoutMs = Math.max(2 * periodMs, HEARTBEAT_TIMEOUT_MS_MIN);
      await this.#untilBeatIsDue(periodMs, signal);
    }
  }

  /** A period that was shortened holds at once: the one before may have been an hour. */
  async #untilBeatIsDue(periodMs: number, signal: AbortSignal): Promise<void> {
    using shorter = new AbortScope(signal);
    const waitMs = Math.min(periodMs, this.#periodMsMax);
    this.#cutShort = () => {
      if (this.#periodMsMax < waitMs) shorter.abort();
    };
    try {
      await this.#options.clock.sleep(waitMs, shorter.signal);
    } catch (cause) {
      if (!shorter.signal.aborted || signal.aborted) throw cause;
    }
  }

  /** A set that does not follow the one before is not applied: a new stream begins with a complete one. */
  async #followAssignments(signal: AbortSignal): Promise<void> {
    for (let broken = 0; broken < BROKEN_CHAINS_MAX; ) {
      let applied = "";
      let isBroken = false;
      let begun: AssignmentChange[] = [];
      for await (const message of this.#options.client.assignments({ sessionId: this.#id }, signal)) {
        isBroken = message.kind === "incremental" && message.appliesTo !== applied;
        if (isBroken) break;
        applied = message.resultsIn;
        for (const change of message.changes) begun.push(change);
        if (message.hasMore === true) continue;
        this.#options.worker.apply({ ...message, changes: begun });
        begun = [];
        this.#assigned.resolve();
        if (message.kind === "incremental") broken = 0;
      }
      if (!isBroken) throw new ClusterError("unavailable", "the manager ended the stream of assignments");
      broken++;
      this.#options.logger.warn({ session: this.#id }, "assignments do not follow each other; asking for a complete set");
    }
    throw new ClusterError("internal", `assignments did not follow each other on ${BROKEN_CHAINS_MAX} streams in a row`);
  }

  /** Everything again, since this manager may have missed some; but nothing of tasks that it no longer has here. */
  async #reportStatuses(signal: AbortSignal): Promise<void> {
    const { client, worker } = this.#options;
    await Promise.race([this.#assigned.promise, aborted(signal)]);
    worker.reportAll();
    await worker.reporter.run((updates) => client.updateTaskStatus({ sessionId: this.#id, updates }, signal), signal);
  }

  async #refreshDescription(signal: AbortSignal): Promise<void> {
    const { client, describe } = this.#options;
    for (;;) {
      const description = describe();
      if (keyOf(description) !== keyOf(this.#description)) {
        await client.updateDescription({ sessionId: this.#id, description }, signal);
        this.#description = description;
        continue; // It may have changed again meanwhile.
      }
      await this.#untilDescriptionIsDue(signal);
    }
  }

  async #untilDescriptionIsDue(signal: AbortSignal): Promise<void> {
    using changed = new AbortScope(signal);
    const forget = this.#options.onDescriptionChange?.(() => changed.abort());
    try {
      await this.#options.clock.sleep(DESCRIPTION_PERIOD_MS, changed.signal);
    } catch (cause) {
      if (!changed.signal.aborted || signal.aborted) throw cause;
    } finally {
      forget?.();
    }
  }

  async #within<T>(timeoutMs: number, what: string, call: () => Promise<T>): Promise<T> {
    let cancel = () => {};
    const timeout = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(timeoutMs, () => reject(new ClusterError("unavailable", `no answer to a ${what} within ${timeoutMs} ms`)));
    });
    try {
      return await Promise.race([call(), timeout]);
    } finally {
      cancel();
    }
  }
}

async function next(messages: AsyncIterator<SessionMessage>): Promise<SessionMessage> {
  const result = await messages.next();
  if (result.done === true) throw new ClusterError("unavailable", "the manager ended the session");
  return result.value;
}

function periodMsOf(periodNs: bigint): number {
  return Math.max(Number(periodNs) / 1e6, HEARTBEAT_PERIOD_MS_MIN);
}

function keyOf(description: NodeDescription): string {
  return JSON.stringify(description, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}
