import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { ManagerRole } from "./manager-role.js";
import type { KeptSwarmState } from "./swarm-state.js";

/** What they ask of a manager, and tell it. */
export type KeptManager = Pick<ManagerRole, "raftId" | "incarnation" | "isRemoved" | "members" | "leading" | "leaderAddress" | "losePlace" | "leftBehind">;

/** What the loops need that keep a node's address and its place in the raft group true. */
export interface KeeperOptions {
  readonly identity: LiveIdentity;
  readonly state: KeptSwarmState;
  /** This node's own manager role, while it has one. */
  readonly manager: () => KeptManager | null;
  readonly clock: Clock;
  readonly logger: Logger;
}
