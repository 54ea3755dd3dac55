import { setMaxListeners } from "node:events";
import { messageOf } from "../base/errors.js";
import type { ContainerLogOptions, LogLine } from "../runtime/container-runtime.js";
import { roughBytes } from "../store/object-size.js";
import type { LogMessage, LogOptions, LogSubscription, PublishLogsMessage } from "../wire/generated/dispatcher.js";
import type { ManagerClient } from "./manager-client.js";
import type { Worker } from "./worker.js";

/** Lines that wait for the manager; the readers of the log files pause beyond it. */
const LINES_MAX = 1_000;
/** Bytes of log in one message, with what is said of its lines. */
const BATCH_BYTES_MAX = 256 * 1024;

export interface LogPublisherOptions {
  readonly client: ManagerClient;
  readonly sessionId: string;
  readonly worker: Worker;
  readonly subscription: LogSubscription;
}

/** Sends the logs of some of this node's tasks for one subscription; ends when all of them have been read. */
export class LogPublisher {
  readonly #options: LogPublisherOptions;
  readonly #lines: LogMessage[] = [];
  readonly #taskIds = new Set<string>();
  readonly #added: string[] = [];
  #reading = 0;
  #error = "";
  #wakeWriter: (() => void) | null = null;
  #wakeReaders: (() => void)[] = [];

  constructor(options: LogPublisherOptions) {
    this.#options = options;
    this.add(options.subscription.taskIds);
  }

  /** More tasks of the same subscription; those that it has already are skipped. */
  add(taskIds: readonly string[]): void {
    for (const taskId of taskIds) {
      if (this.#taskIds.has(taskId)) continue;
      this.#taskIds.add(taskId);
      this.#added.push(taskId);
    }
    this.#wakeWriter?.();
  }

  /** Tasks that came too late for the last message. */
  unread(): readonly string[] {
    return this.#added;
  }

  async run(signal: AbortSignal): Promise<void> {
    const wake = () => {
      this.#wakeWriter?.();
      this.#releaseReaders();
    };
    // Each task that is read listens to it.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", wake, { once: true });
    try {
      await this.#options.client.publishLogs(this.#messages(signal), signal);
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async *#messages(signal: AbortSignal): AsyncGenerator<PublishLogsMessage> {
    const { sessionId, subscription } = this.#options;
    const message = (messages: readonly LogMessage[]): PublishLogsMessage => ({
      subscriptionId: subscription.id,
      sessionId,
      messages,
      close: false,
      error: "",
    });
    while (!signal.aborted) {
      for (const taskId of this.#added.splice(0)) void this.#read(taskId, signal);
      if (this.#lines.length > 0) yield message(this.#takeBatch());
      else if (this.#reading === 0) break;
      else await this.#nextLine();
    }
    yield { ...message([]), close: true, error: this.#error };
  }

  #takeBatch(): readonly LogMessage[] {
    let sizeBytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      const lineBytes = roughBytes(line);
      if (count > 0 && sizeBytes + lineBytes > BATCH_BYTES_MAX) break;
      sizeBytes += lineBytes;
      count++;
    }
    const batch = this.#lines.splice(0, count);
    this.#releaseReaders();
    return batch;
  }

  /** Never rejects: a failure is what the last message says. */
  async #read(taskId: string, signal: AbortSignal): Promise<void> {
    this.#reading++;
    const { worker, subscription } = this.#options;
    try {
      for await (const { task, line } of worker.logs(taskId, logOptionsOf(subscription.options), signal)) {
        this.#lines.push(messageOfLine(task, line));
        this.#wakeWriter?.();
        while (this.#lines.length >= LINES_MAX && !signal.aborted) await new Promise<void>((resolve) => this.#wakeReaders.push(resolve));
        if (signal.aborted) return;
      }
    } catch (cause) {
      if (!signal.aborted) this.#error = `task ${taskId}: ${messageOf(cause)}`;
    } finally {
      this.#reading--;
      this.#wakeWriter?.();
    }
  }

  #nextLine(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  #releaseReaders(): void {
    for (const wake of this.#wakeReaders.splice(0)) wake();
  }
}

function messageOfLine(task: { readonly id: string; readonly nodeId: string; readonly serviceId: string }, line: LogLine): LogMessage {
  return {
    nodeId: task.nodeId,
    serviceId: task.serviceId,
    taskId: task.id,
    stream: line.stream,
    timestampNs: line.timestampNs,
    data: line.data,
    attributes: line.attributes,
  };
}

/** A subscription that names neither stream gets both. */
function logOptionsOf(options: LogOptions | null): ContainerLogOptions {
  const isAny = options === null || (!options.stdout && !options.stderr);
  return {
    follow: options?.follow ?? false,
    stdout: isAny || options.stdout,
    stderr: isAny || options.stderr,
    sinceNs: options?.sinceNs ?? 0n,
    untilNs: options?.untilNs ?? 0n,
    tail: Number(options?.tail ?? -1n),
  };
}
