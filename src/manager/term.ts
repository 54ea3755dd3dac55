import { setMaxListeners } from "node:events";
import { AbortScope } from "../base/abort.js";
import type { Logger } from "../base/log.js";
import { isLeadershipLost } from "./leadership.js";

/** One of the leader's loops: runs until the signal aborts, and rejects with what keeps it from going on. */
export interface Loop {
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs the loops of one term of leadership. Settles when every loop has ended; a loop that fails, or finds that leadership is lost, ends the others too.
 * Rejects with the first failure; that leadership was lost is none.
 */
export async function runTerm(loops: readonly Loop[], signal: AbortSignal, logger: Logger): Promise<void> {
  using end = new AbortScope(signal);
  // Every loop listens, and more than one while it waits: that is no leak.
  setMaxListeners(0, end.signal);
  const outcomes = await Promise.allSettled(loops.map((loop) => loop.run(end.signal).finally(() => end.abort())));
  const causes = outcomes.flatMap((outcome) => (outcome.status === "rejected" && outcome.reason !== end.signal.reason ? [outcome.reason] : []));
  const failures = causes.filter((cause) => !isLeadershipLost(cause));
  if (failures.length > 0) throw failures[0];
  if (causes.length > 0) logger.info({ err: causes[0] }, "the leader's loops ended: leadership was lost");
}
