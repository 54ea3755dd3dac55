import type { Clock } from "../base/clock.js";
import { isClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { ContainerInfo } from "../runtime/container-runtime.js";
import { restartDelayMs, shouldRestart } from "./restart-plan.js";

interface Attempts {
  count: number;
  delayMs: number;
  /** Null unless it waits to be started. */
  cancel: (() => void) | null;
}

/** Starts single containers again, as their policies say. What it counts is forgotten with the daemon. */
export class Restarts {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #start: (id: string) => Promise<void>;
  readonly #attempts = new Map<string, Attempts>();

  constructor(options: { readonly clock: Clock; readonly logger: Logger; readonly start: (id: string) => Promise<void> }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#start = options.start;
  }

  count(id: string): number {
    return this.#attempts.get(id)?.count ?? 0;
  }

  isWaiting(id: string): boolean {
    return (this.#attempts.get(id)?.cancel ?? null) !== null;
  }

  /** To be called when it has ended. True when it will be started again. */
  onExit({ config, exit, startedAtMs }: ContainerInfo): boolean {
    const { single } = config;
    if (single === null || exit === null) return false;
    const attempts = this.#attempts.get(config.id) ?? { count: 0, delayMs: 0, cancel: null };
    if (!shouldRestart(single, exit, attempts.count)) return false;
    attempts.delayMs = restartDelayMs(attempts.delayMs, exit.finishedAtMs - startedAtMs);
    this.#attempts.set(config.id, attempts);
    this.#startLater(config.id, attempts);
    return true;
  }

  /** Somebody decided otherwise. */
  forget(id: string): void {
    this.#attempts.get(id)?.cancel?.();
    this.#attempts.delete(id);
  }

  close(): void {
    for (const id of this.#attempts.keys()) this.forget(id);
  }

  #startLater(id: string, attempts: Attempts): void {
    attempts.cancel = this.#clock.after(attempts.delayMs, () => {
      attempts.cancel = null;
      attempts.count++;
      this.#start(id).catch((cause: unknown) => {
        this.#logger.warn({ container: id, reason: messageOf(cause) }, "a container could not be restarted");
        // Another one whose namespaces it joins does not run, or not yet again.
        if (!isClusterError(cause, "conflict") || this.#attempts.get(id) !== attempts) return;
        attempts.count--;
        attempts.delayMs = restartDelayMs(attempts.delayMs, 0);
        this.#startLater(id, attempts);
      });
    });
  }
}
