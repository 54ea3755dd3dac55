import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError } from "../base/errors.js";
import { HAS_BEGUN } from "../manager/control/later-part.js";
import { SAID_BY_LEADER } from "../rpc/forward-stream.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";

/** How long a write or read waits for a leader before it is refused. Nothing was proposed by then. */
export const LEADER_PATIENCE_MS = 5_000;

/** Where writes go now: into this process, to another manager, or nowhere. */
export type WriteTarget =
  | { readonly type: "local"; execute(request: ControlRequest): Promise<ControlReply> }
  | { readonly type: "remote"; execute(request: ControlRequest): Promise<ControlReply> }
  | { readonly type: "none" };

/** Tells where writes go, and calls back when that changes. */
export interface WriteRoute {
  target(): WriteTarget;
  onChange(listener: () => void): () => void;
  /** What keeps this manager from having one, in a sentence; "" when nothing here does. */
  whyNoLeader(): string;
}

/** The refusal that clients see when there is no leader; scripts look for the beginning of this text. `why` is what is known to keep this manager from having one. */
export function noLeader(why: string): ClusterError {
  const text = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";
  return new ClusterError("no_leader", why === "" ? text : `${text} ${why}`, why === "" ? {} : { details: { why } });
}

/**
 * Carries out a write on the leader. Waits for one only before proposing: what was sent and got no answer is `outcome_unknown`, and is never
 * sent again by us. A target that turns out not to lead any more (`no_leader`, `unavailable`: nothing was proposed) is given up for the next one. When there is none in
 * time, the refusal is that there is no leader, or what the leader said, which may be busy; but `outcome_unknown` when leadership was lost between two parts of the write.
 */
export async function write(request: ControlRequest, route: WriteRoute, clock: Clock): Promise<ControlReply> {
  let deadline = clock.monotonic() + LEADER_PATIENCE_MS;
  let hasBegun = false;
  for (;;) {
    let refusal: ClusterError | null = null;
    const target = route.target();
    if (target.type !== "none") {
      const begunMs = clock.monotonic();
      try {
        return await target.execute(request);
      } catch (cause) {
        if (!isNotProposed(cause)) throw cause;
        hasBegun ||= HAS_BEGUN in cause.details;
        if (target.type === "local" || SAID_BY_LEADER in cause.details) {
          if (cause.code === "unavailable") refusal = cause;
          // It led while it was at it, which may take long where an external authority signs: only from then on there is none.
          else deadline += clock.monotonic() - begunMs;
        }
      }
    }
    const patienceMs = deadline - clock.monotonic();
    if (patienceMs <= 0)
      throw hasBegun ? new ClusterError("outcome_unknown", "leadership was lost in the middle of the write") : (refusal ?? noLeader(route.whyNoLeader()));
    await changeOf(route, clock, Math.min(RETRY_MS, patienceMs));
  }
}

/** A remote leader may be elected before this node hears of it, so a change of the route is not waited for alone. */
const RETRY_MS = 50;

function isNotProposed(cause: unknown): cause is ClusterError {
  return isClusterError(cause, "no_leader") || isClusterError(cause, "unavailable");
}

function changeOf(route: WriteRoute, clock: Clock, patienceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      stop();
      cancel();
      resolve();
    };
    const stop = route.onChange(finish);
    const cancel = clock.after(patienceMs, finish);
  });
}
