import { setMaxListeners } from "node:events";
import { AbortScope } from "../../base/abort.js";
import { ClusterError, messageOf } from "../../base/errors.js";
import { newId } from "../../base/ids.js";
import type { Logger } from "../../base/log.js";
import type { Store } from "../../store/store.js";
import type { ListenSubscriptionsRequest, LogBatch, LogSubscription, PublishLogsMessage, SubscribeLogsRequest } from "../../wire/generated/dispatcher.js";
import { PassLoop } from "../pass-loop.js";
import type { Caller } from "./caller.js";
import type { Dispatcher } from "./dispatcher.js";
import { LogSubscriber, type Repetitions } from "./log-subscriber.js";
import { isNodeLost, planLogTargets } from "./log-targets.js";
import { Wakeable } from "./wakeable.js";

/** Subscriptions that one manager serves at a time. */
const SUBSCRIBERS_MAX = 1000;
/** Of what a node says went wrong. */
const FAILURE_CHARACTERS_MAX = 1_000;

/** One node's open stream of subscriptions: told again whatever it should be reading. */
interface Listener {
  readonly news: Wakeable;
  readonly end: AbortController;
}

/**
 * Brings the logs of tasks from the nodes that have them to whoever asks. A subscriber names services, tasks or nodes; the broker tells
 * the agents of the nodes concerned; they publish; the broker passes on. It keeps nothing: a reader that is slow makes the agents slow.
 */
export class LogBroker {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #dispatcher: Dispatcher;
  readonly #subscribers = new Map<string, LogSubscriber>();
  readonly #listeners = new Map<string, Listener>();
  #serving: AbortController | null = null;

  constructor(options: { readonly store: Store; readonly logger: Logger; readonly dispatcher: Dispatcher }) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#dispatcher = options.dispatcher;
  }

  /** Serves until the signal aborts; every stream has been told to end by then. */
  async run(signal: AbortSignal): Promise<void> {
    const serving = new AbortController();
    // All streams listen.
    setMaxListeners(0, serving.signal);
    this.#serving = serving;
    const loop = new PassLoop();
    const stop = this.#store.watch((events) => {
      if (this.#subscribers.size > 0 && events.some((event) => event.kind === "task" || event.kind === "node")) loop.ask();
    });
    try {
      await loop.run(async () => this.#retarget(), signal);
    } finally {
      stop();
      this.#serving = null;
      serving.abort(notServing());
    }
  }

  /**
   * Without `follow` ends when every node has sent what it has; with it, when the signal aborts. Nodes that cannot answer, and tasks that have no node,
   * are named in `missing`, once. Throws `not_found` for a service or task that does not exist, `unavailable` when not serving.
   */
  async *subscribe(request: SubscribeLogsRequest, signal: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    const serving = this.#assertServing();
    const { selector, options } = request;
    if (selector === null || options === null) throw new ClusterError("invalid_argument", "log selector and options must be given");
    if (!options.stdout && !options.stderr) throw new ClusterError("invalid_argument", "you must choose at least one stream");
    if (this.#subscribers.size >= SUBSCRIBERS_MAX) throw new ClusterError("unavailable", `${SUBSCRIBERS_MAX} log subscriptions are open already`);
    for (const id of selector.serviceIds) if (this.#store.view.services.get(id) === undefined) throw new ClusterError("not_found", `service ${id} not found`);
    for (const id of selector.taskIds) if (this.#store.view.tasks.get(id) === undefined) throw new ClusterError("not_found", `task ${id} not found`);
    const subscriber = new LogSubscriber({ id: newId(), selector, options });
    this.#subscribers.set(subscriber.id, subscriber);
    using end = new AbortScope(signal, serving.signal);
    try {
      this.#target(subscriber);
      yield* subscriber.batches(end.signal, signal);
    } finally {
      this.#subscribers.delete(subscriber.id);
      subscriber.close();
      this.#wakeAll();
    }
  }

  /** What a node's agent should read, as subscriptions come, grow and go. An id that comes again has all its tasks, without those that the node has sent to the end. */
  async *listen(caller: Caller, request: ListenSubscriptionsRequest, signal: AbortSignal): AsyncGenerator<LogSubscription, void, undefined> {
    const serving = this.#assertServing();
    const session = this.#dispatcher.requireSession(caller, request.sessionId);
    this.#listeners.get(caller.nodeId)?.end.abort(new ClusterError("aborted", "the node listens on another stream now"));
    const listener: Listener = { news: new Wakeable(), end: new AbortController() };
    this.#listeners.set(caller.nodeId, listener);
    this.#retarget();
    using end = new AbortScope(signal, serving.signal, session.signal, listener.end.signal);
    /** Per subscription, the tasks that the node was told of on this stream. */
    const told = new Map<string, Set<string>>();
    try {
      for (;;) {
        yield* this.#newsFor(caller.nodeId, told);
        try {
          await listener.news.changed(end.signal);
        } catch (cause) {
          if (signal.aborted) return;
          throw cause;
        }
      }
    } finally {
      if (this.#listeners.get(caller.nodeId) === listener) this.#listeners.delete(caller.nodeId);
    }
  }

  /** Resolves when the node has sent all, or nobody reads any more. */
  async publish(caller: Caller, messages: AsyncIterable<PublishLogsMessage>): Promise<void> {
    this.#assertServing();
    let subscriber: LogSubscriber | undefined;
    let failure = "the node broke off";
    const repetitions: Repetitions = new Map();
    try {
      for await (const message of messages) {
        this.#dispatcher.requireSession(caller, message.sessionId);
        subscriber = this.#subscribers.get(message.subscriptionId);
        if (subscriber === undefined || subscriber.isClosed) return;
        await subscriber.accept(caller.nodeId, message.messages, repetitions);
        if (!message.close) continue;
        failure = message.error.slice(0, FAILURE_CHARACTERS_MAX);
        return;
      }
    } catch (cause) {
      failure = messageOf(cause);
      throw cause;
    } finally {
      subscriber?.finish(caller.nodeId, failure);
    }
  }

  *#newsFor(nodeId: string, told: Map<string, Set<string>>): Generator<LogSubscription> {
    for (const id of [...told.keys()]) {
      if (this.#subscribers.has(id)) continue;
      told.delete(id);
      yield { id, taskIds: [], options: null, close: true };
    }
    for (const subscriber of this.#subscribers.values()) {
      const known = told.get(subscriber.id) ?? new Set();
      const request = subscriber.requestFor(nodeId, known);
      if (request === undefined) continue;
      told.set(subscriber.id, known);
      yield request;
    }
  }

  #retarget(): void {
    for (const subscriber of this.#subscribers.values()) this.#target(subscriber);
  }

  /** Finds the tasks and nodes that the subscriber asks for, as things are now. */
  #target(subscriber: LogSubscriber): void {
    const targets = planLogTargets(this.#store.view, subscriber.selector);
    const { touched, missing } = subscriber.retarget(targets, {
      isListening: (nodeId) => this.#listeners.has(nodeId),
      isLost: (nodeId) => isNodeLost(this.#store.view, nodeId),
    });
    if (missing.length > 0) this.#logger.debug({ subscription: subscriber.id, missing }, "log subscription is incomplete");
    for (const nodeId of touched) this.#listeners.get(nodeId)?.news.wake();
  }

  #wakeAll(): void {
    for (const listener of this.#listeners.values()) listener.news.wake();
  }

  #assertServing(): AbortController {
    if (this.#serving === null) throw notServing();
    return this.#serving;
  }
}

function notServing(): ClusterError {
  return new ClusterError("unavailable", "this manager is not the leader");
}
