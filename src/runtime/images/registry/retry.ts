import { Backoff } from "../../../base/backoff.js";
import type { Clock } from "../../../base/clock.js";
import { ClusterError, isClusterError } from "../../../base/errors.js";
import { systemRandom } from "../../../base/random.js";

const FIRST_MS = 500;
const MAX_MS = 10_000;
/** The longest that a registry may ask for and be waited for without a word: who pulls sees nothing meanwhile. */
const RETRY_AFTER_MS_MAX = 10_000;
/** Also when each makes progress: nobody is asked for ever. */
const ALL_ATTEMPTS_MAX = 50;

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly attemptsMax: number;
  /** Whether it is worth trying again when there was no connection at all. */
  readonly isConnectRetried: boolean;
}

/**
 * Calls again after failures that may pass (`unavailable`), later each time, and not before a registry that is busy says; one that asks for long is not asked again.
 * Attempts that made progress, as the call tells, do not count.
 */
export async function retrying<T>(options: RetryOptions, call: (progressed: () => void) => Promise<T>): Promise<T> {
  const backoff = new Backoff({ firstMs: FIRST_MS, maxMs: MAX_MS, random: systemRandom });
  for (let attempt = 1, all = 1; ; attempt++, all++) {
    try {
      return await call(() => {
        attempt = 0;
        backoff.reset();
      });
    } catch (cause) {
      if (options.signal.aborted || attempt >= options.attemptsMax || all >= ALL_ATTEMPTS_MAX || !isClusterError(cause, "unavailable")) throw cause;
      if (cause.details.phase === "connect" && !options.isConnectRetried) throw cause;
      const askedMs = Number(cause.details.retryAfter ?? 0) * 1000 || 0;
      if (askedMs > RETRY_AFTER_MS_MAX) throw new ClusterError("unavailable", `${cause.message}; it asks to be left alone for ${askedMs / 1000} s`, { cause });
      await options.clock.sleep(Math.max(backoff.nextMs(), askedMs), options.signal);
    }
  }
}
