import { ClusterError } from "../../base/errors.js";
import { roughBytes } from "../../store/object-size.js";
import type { LogBatch, LogMessage, LogOptions, LogSelector, LogSubscription } from "../../wire/generated/dispatcher.js";
import type { LogTargets } from "./log-targets.js";
import { Wakeable } from "./wakeable.js";

/** What a reader may be behind; a node that would exceed it waits. */
const BUFFER_BYTES_MAX = 1024 * 1024;

/** What is known of nodes at the moment. */
export interface NodeFacts {
  isListening(nodeId: string): boolean;
  isLost(nodeId: string): boolean;
}

/** What one node has of the logs. */
interface NodeShare {
  readonly tasks: Set<string>;
  /** Tasks that the node was asked for. */
  readonly asked: Set<string>;
  /** Tasks whose logs it has sent to the end: it is not asked for them again. */
  readonly sent: Set<string>;
  /** How far each task has come: where it goes on after the node's connection broke. */
  readonly reached: Map<string, LogPlace>;
}

/**
 * A place in a log whose times may go back, since a clock may be set back: the newest line's time, and how many lines came from the first of that time on. A
 * node that is asked for lines from that time begins with that line (src/runtime/logs/log-reader.ts).
 */
interface LogPlace {
  readonly newestNs: bigint;
  readonly lines: number;
}

/** Before every line. */
const START: LogPlace = { newestNs: -1n, lines: 0 };

/** What a stream sends again of a task: until it comes to the newest line it may begin anywhere before; from there on `left` lines are known. */
interface Repetition {
  readonly until: LogPlace;
  readonly left: number;
}

const NO_REPETITION: Repetition = { until: START, left: 0 };

/** Of each task of a stream, what it sends again of the lines that came on a stream before. */
export type Repetitions = Map<string, Repetition>;

/** One reader of logs, and what the nodes still owe it. */
export class LogSubscriber {
  readonly id: string;
  readonly selector: LogSelector;
  readonly options: LogOptions;
  readonly #nodes = new Map<string, NodeShare>();
  /** Nodes that have sent all, or will not. */
  readonly #finished = new Set<string>();
  /** What was reported as missing: each once. */
  readonly #reported = new Set<string>();
  #messages: LogMessage[] = [];
  #missing: string[] = [];
  #bytes = 0;
  #isClosed = false;
  readonly #news = new Wakeable();
  /** Nodes that wait for room. */
  #waiting: (() => void)[] = [];

  constructor(options: { readonly id: string; readonly selector: LogSelector; readonly options: LogOptions }) {
    this.id = options.id;
    this.selector = options.selector;
    this.options = options.options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * What to ask a node for whose open stream was told of the tasks in `told`, which is added to; undefined when there is nothing new. All its tasks are
   * named, those that it has sent to the end left out. A node that broke off goes on from the newest line of the task that had come least far.
   */
  requestFor(nodeId: string, told: Set<string>): LogSubscription | undefined {
    const share = this.#nodes.get(nodeId);
    if (share === undefined) return undefined;
    const taskIds = [...share.tasks].filter((id) => !share.sent.has(id));
    if (taskIds.every((id) => told.has(id))) return undefined;
    for (const id of taskIds) {
      told.add(id);
      share.asked.add(id);
    }
    return { id: this.id, taskIds, options: this.#optionsFor(share, taskIds), close: false };
  }

  /**
   * Takes in where the logs are now. Returns the nodes that have something new to read, and what was found missing. Without `follow` only
   * the first call adds nodes, and a node that does not listen then is missing.
   */
  retarget(targets: LogTargets, nodes: NodeFacts): { readonly touched: readonly string[]; readonly missing: readonly string[] } {
    const isFirst = this.#nodes.size === 0 && this.#reported.size === 0;
    const touched =
      isFirst || this.options.follow ? [...targets.tasksByNode].filter(([nodeId, tasks]) => this.#addTasks(nodeId, tasks)).map(([nodeId]) => nodeId) : [];
    const missing: string[] = [];
    for (const nodeId of this.#nodes.keys()) {
      const isGone = nodes.isLost(nodeId) || (!this.options.follow && !nodes.isListening(nodeId) && isFirst);
      if (!isGone) continue;
      if (!this.#finished.has(nodeId)) missing.push(`node ${nodeId} is not available`);
      this.#finished.add(nodeId);
    }
    if (isFirst && !this.options.follow) for (const taskId of targets.unscheduled) missing.push(`task ${taskId} has not been scheduled`);
    this.#report(missing);
    this.#news.wake();
    return { touched: touched.filter((nodeId) => nodes.isListening(nodeId)), missing };
  }

  /**
   * Takes what a node read; resolves when there is room for more. Lines that came on a stream before this one are left out: `repetitions` are the stream's own,
   * empty at its start. Throws `permission_denied` for tasks that the node was not asked for.
   */
  async accept(nodeId: string, messages: readonly LogMessage[], repetitions: Repetitions): Promise<void> {
    const share = this.#nodes.get(nodeId);
    for (const message of messages) {
      const { taskId, timestampNs } = message;
      if (share === undefined || !share.asked.has(taskId))
        throw new ClusterError("permission_denied", `node ${nodeId} was not asked for the log of task ${taskId}`);
      const reached = share.reached.get(taskId) ?? START;
      const repetition = repetitions.get(taskId) ?? { until: reached, left: reached.lines };
      if (isRepeated(repetition, timestampNs)) {
        repetitions.set(taskId, afterLine(repetition, timestampNs));
        continue;
      }
      repetitions.set(taskId, NO_REPETITION);
      share.reached.set(taskId, timestampNs > reached.newestNs ? { newestNs: timestampNs, lines: 1 } : { ...reached, lines: reached.lines + 1 });
      this.#messages.push({ ...message, nodeId });
      this.#bytes += roughBytes(message);
    }
    this.#news.wake();
    while (!this.#isClosed && this.#bytes > BUFFER_BYTES_MAX) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** The node sends no more; `failure` says why when it is not because it has sent all. */
  finish(nodeId: string, failure: string): void {
    const share = this.#nodes.get(nodeId);
    if (share === undefined) return;
    // Without follow it is not asked again in any case; with it, a node that broke off is when it listens again.
    if (failure === "" || !this.options.follow) {
      for (const id of share.asked) share.sent.add(id);
      share.reached.clear();
    }
    if (failure !== "") this.#report([`node ${nodeId}: ${failure}`]);
    this.#finished.add(nodeId);
    this.#news.wake();
  }

  /** What there is, as it comes. Ends quietly when `hungUp` aborts, with the reason of `end` when that does. */
  async *batches(end: AbortSignal, hungUp: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    for (;;) {
      if (this.#messages.length > 0 || this.#missing.length > 0) {
        yield this.#take();
        continue;
      }
      if (!this.options.follow && this.#isComplete()) return;
      try {
        await this.#news.changed(end);
      } catch (cause) {
        if (hungUp.aborted) return;
        throw cause;
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#messages = [];
    this.#bytes = 0;
    this.#makeRoom();
  }

  /** A task of which nothing came is read from its beginning again, unless only the ends of the logs were wanted: then it goes on where the others do. */
  #optionsFor(share: NodeShare, taskIds: readonly string[]): LogOptions {
    const newest = taskIds.flatMap((id) => share.reached.get(id)?.newestNs ?? []).sort((a, b) => (a < b ? -1 : 1));
    const [leastNs] = newest;
    if (leastNs === undefined || (newest.length < taskIds.length && this.options.tail < 0n)) return this.options;
    return { ...this.options, sinceNs: leastNs, tail: -1n };
  }

  #addTasks(nodeId: string, taskIds: readonly string[]): boolean {
    const share = this.#nodes.get(nodeId) ?? { tasks: new Set(), asked: new Set(), sent: new Set(), reached: new Map() };
    const sizeBefore = share.tasks.size;
    for (const id of taskIds) share.tasks.add(id);
    this.#nodes.set(nodeId, share);
    return share.tasks.size > sizeBefore;
  }

  #isComplete(): boolean {
    return [...this.#nodes.keys()].every((nodeId) => this.#finished.has(nodeId));
  }

  #report(missing: readonly string[]): void {
    for (const text of missing) {
      if (this.#reported.has(text)) continue;
      this.#reported.add(text);
      this.#missing.push(text);
    }
    this.#news.wake();
  }

  #take(): LogBatch {
    const batch = { messages: this.#messages, missing: this.#missing };
    this.#messages = [];
    this.#missing = [];
    this.#bytes = 0;
    this.#makeRoom();
    return batch;
  }

  #makeRoom(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

function isRepeated({ until, left }: Repetition, timestampNs: bigint): boolean {
  return left > 0 && timestampNs <= until.newestNs;
}

function afterLine({ until, left }: Repetition, timestampNs: bigint): Repetition {
  const isBeforeNewest = left === until.lines && timestampNs < until.newestNs;
  return { until, left: isBeforeNewest ? left : left - 1 };
}
