import { pause } from "../base/clock.js";
import { messageOf } from "../base/errors.js";
import { joinAsMember } from "./join-member.js";
import type { KeeperOptions } from "./keeper-options.js";
import type { ManagerRole } from "./manager-role.js";

/** A member that knows no leader at two looks in a row asks for its place. */
const PERIOD_MS = 3_000;

/**
 * A member that was removed while nobody could tell it hears of no leader any more. When its node is to be a manager all the same, demoted and promoted again
 * meanwhile, nobody refuses it either: it asks for its place, and that it gets another one says that its own is gone.
 */
export class PlaceKeeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Settles when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let leaderless: ManagerRole | null = null;
    let lastReason = "";
    while (!signal.aborted) {
      await pause(clock, PERIOD_MS, signal);
      const manager = this.#options.manager();
      const isLeaderless = manager !== null && !manager.isRemoved && manager.leaderAddress() === "";
      const isStill = isLeaderless && leaderless === manager;
      leaderless = isLeaderless ? manager : null;
      if (manager === null || !isStill) continue;
      try {
        await this.#ask(manager, signal);
        lastReason = "";
      } catch (cause) {
        if (signal.aborted) return;
        const reason = messageOf(cause);
        if (reason !== lastReason) logger.info({ reason }, "no leader is known, and nobody could tell whether this manager still has its place");
        lastReason = reason;
      }
    }
  }

  async #ask(manager: ManagerRole, signal: AbortSignal): Promise<void> {
    const { identity, state, clock, logger } = this.#options;
    const { advertiseAddress, managers } = state.now;
    const others = [...manager.members(), ...managers].filter(({ nodeId }) => nodeId !== identity.nodeId).map(({ address }) => address);
    const place = await joinAsMember({ addresses: [...new Set(others)], identity, advertiseAddress, clock, signal });
    // One of another incarnation is told so by its members.
    if (place.type !== "join" || place.incarnation !== manager.incarnation || place.raftId === manager.raftId) return;
    logger.info({ before: manager.raftId, raftId: place.raftId }, "this manager was removed from the raft group, and begins anew as another member");
    manager.losePlace();
  }
}
