import { systemClock } from "../base/clock.js";
import { Backoff } from "../base/backoff.js";
import { systemRandom } from "../base/random.js";
import { CommandFailure } from "./failure.js";

const TRIES_MAX = 30;

/**
 * Runs what reads an object, changes what the flags name and writes it back, and runs it again when somebody else wrote in between: flags are said of whatever the
 * object is by then, and an update that was refused for its version has written nothing. Not for what is said of one version alone, such as a rollback.
 */
export async function editing(signal: AbortSignal, edit: () => Promise<void>): Promise<void> {
  const backoff = new Backoff({ firstMs: 10, maxMs: 200, random: systemRandom });
  for (let tries = 1; ; tries++) {
    try {
      return await edit();
    } catch (cause) {
      if (!isOutOfSequence(cause) || tries === TRIES_MAX) throw cause;
      await systemClock.sleep(backoff.nextMs(), signal);
    }
  }
}

/** The API says it in words alone, as docker's does. */
function isOutOfSequence(cause: unknown): boolean {
  return cause instanceof CommandFailure && cause.status === 500 && cause.message.startsWith("update out of sequence");
}
