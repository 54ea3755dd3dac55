import { pause } from "../base/clock.js";
import { isClusterError, messageOf } from "../base/errors.js";
import { joinAsMember } from "./join-member.js";
import type { KeeperOptions, KeptManager } from "./keeper-options.js";

/** A member that knows no leader at two looks in a row asks for its place. */
const PERIOD_MS = 3_000;

/**
 * A member that was removed while nobody could tell it hears of no leader any more. When its node is to be a manager all the same, demoted and promoted again
 * meanwhile, nobody refuses it either: it asks for its place, and that it gets another one says that its own is gone. Where the cluster was founded anew it gets none, and its part is over.
 */
export class PlaceKeeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Settles when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let leaderless: KeptManager | null = null;
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
        // Nobody of the new group may have been a member of the old one: who was restored from a backup is another node, and no peer that could say it.
        if (isClusterError(cause) && cause.details.foundedAnew !== undefined) manager.leftBehind(cause);
        const reason = messageOf(cause);
        if (reason !== lastReason) logger.info({ reason }, "no leader is known, and nobody could tell whether this manager still has its place");
        lastReason = reason;
      }
    }
  }

  async #ask(manager: KeptManager, signal: AbortSignal): Promise<void> {
    const { identity, state, clock, logger } = this.#options;
    const { advertiseAddress, managers } = state.now;
    const others = [...manager.members(), ...managers].filter(({ nodeId }) => nodeId !== identity.nodeId).map(({ address }) => address);
    const { incarnation } = manager;
    const place = await joinAsMember({ addresses: [...new Set(others)], identity, advertiseAddress, incarnation, clock, signal });
    if (place.type !== "join" || place.raftId === manager.raftId) return;
    logger.info({ before: manager.raftId, raftId: place.raftId }, "this manager was removed from the raft group, and begins anew as another member");
    manager.losePlace();
  }
}
