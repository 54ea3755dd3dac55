import { setMaxListeners } from "node:events";
import { AbortScope, aborted } from "../base/abort.js";
import { Backoff } from "../base/backoff.js";
import type { Clock } from "../base/clock.js";
import { isClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import { systemRandom } from "../base/random.js";
import type { LogSubscription } from "../wire/generated/dispatcher.js";
import { LogPublisher } from "./log-publisher.js";
import type { ManagerClient } from "./manager-client.js";
import type { Worker } from "./worker.js";

/** Readers of logs at a time; one more is refused by ignoring it, and the manager reports the node as missing. */
const SUBSCRIPTIONS_MAX = 100;

export interface LogSubscriptionsOptions {
  readonly client: ManagerClient;
  readonly sessionId: string;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves those who read logs: one publisher for each subscription that the manager announces. Its failures never end the session. */
export class LogSubscriptions {
  readonly #options: LogSubscriptionsOptions;
  readonly #publishers = new Map<string, { readonly publisher: LogPublisher; readonly stop: AbortController; readonly ended: Promise<void> }>();
  /** Of the stream that says what to read. */
  #listening = new AbortController();
  /** The last publisher that ended broke off: the next stream is not hurried. */
  #hasBrokenOff = false;

  constructor(options: LogSubscriptionsOptions) {
    this.#options = options;
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, logger, sessionId } = this.#options;
    setMaxListeners(0, signal);
    const backoff = new Backoff({ firstMs: 200, maxMs: 8_000, random: systemRandom });
    try {
      while (!signal.aborted) {
        using listening = new AbortScope(signal);
        this.#listening = listening;
        try {
          for await (const subscription of client.listenSubscriptions({ sessionId }, listening.signal)) {
            if (!this.#hasBrokenOff) backoff.reset();
            this.#onSubscription(subscription, signal);
          }
        } catch (cause) {
          if (signal.aborted) return;
          logger.debug({ err: cause }, "the stream of log subscriptions broke");
          if (isClusterError(cause, "unimplemented")) return await aborted(signal);
        }
        await clock.sleep(backoff.nextMs(), signal);
      }
    } finally {
      for (const { stop } of this.#publishers.values()) stop.abort();
      await Promise.all([...this.#publishers.values()].map(({ ended }) => ended));
    }
  }

  #onSubscription(subscription: LogSubscription, signal: AbortSignal): void {
    const known = this.#publishers.get(subscription.id);
    if (subscription.close) known?.stop.abort();
    else if (known !== undefined) known.publisher.add(subscription.taskIds);
    else if (this.#publishers.size < SUBSCRIPTIONS_MAX) this.#publish(subscription, signal);
    else this.#options.logger.warn({ subscription: subscription.id }, `more than ${SUBSCRIPTIONS_MAX} readers of logs; one is not served`);
  }

  #publish(subscription: LogSubscription, signal: AbortSignal): void {
    const stop = new AbortScope(signal);
    const publisher = new LogPublisher({ ...this.#options, subscription });
    const ended = this.#untilEnd(publisher, subscription.id, stop).then((taskIds) => {
      if (taskIds.length > 0) this.#publish({ ...subscription, taskIds }, signal);
    });
    this.#publishers.set(subscription.id, { publisher, stop, ended });
  }

  /** Resolves with the tasks that came too late for this publisher. */
  async #untilEnd(publisher: LogPublisher, id: string, stop: AbortScope): Promise<readonly string[]> {
    try {
      await publisher.run(stop.signal);
      this.#hasBrokenOff = false;
      return stop.signal.aborted ? [] : publisher.unread();
    } catch (cause) {
      if (stop.signal.aborted) return [];
      this.#options.logger.info({ err: cause, subscription: id }, "logs could not be published");
      this.#hasBrokenOff = true;
      // Only on a new stream the manager asks again, from where the reader is.
      this.#listening.abort();
      return [];
    } finally {
      // What it still follows ends too: the manager may have hung up, or want no more of it.
      stop.abort();
      this.#publishers.delete(id);
    }
  }
}
