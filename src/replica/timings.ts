import type { RaftConfig } from "../model/objects.js";
import type { RaftOptions } from "../raft/options.js";
import type { Store } from "../store/store.js";

/** Before the cluster's spec is known. */
const TICKS_DEFAULT = { heartbeatTick: 1, electionTick: 10 };

export type Timings = Pick<RaftOptions, "electionTicks" | "heartbeatTicks">;

/** What the cluster's spec says of the raft group; null before it is known. */
export function configOf(store: Store): RaftConfig | null {
  return store.view.cluster?.spec?.raft ?? null;
}

/** What makes no sense becomes the nearest that does: an election takes longer than a heartbeat. */
export function timingsOf(store: Store): Timings {
  const { heartbeatTick, electionTick } = configOf(store) ?? TICKS_DEFAULT;
  const electionTicks = Math.max(electionTick, 2);
  return { electionTicks, heartbeatTicks: Math.max(Math.min(heartbeatTick, electionTicks - 1), 1) };
}
