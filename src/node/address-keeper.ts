import { networkInterfaces } from "node:os";
import { pause } from "../base/clock.js";
import { messageOf } from "../base/errors.js";
import { joinAsMember } from "./join-member.js";
import type { KeeperOptions } from "./keeper-options.js";
import { ownAddress } from "./own-address.js";

/** How often this host's addresses are looked at. */
const PERIOD_MS = 2_000;

/** Level-triggered: when this host has another address, whoever leads is told, by this node itself, until the members of the group have it. */
export class AddressKeeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Settles when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let lastReason = "";
    while (!signal.aborted) {
      try {
        await this.#look();
        await this.#report(signal);
        lastReason = "";
      } catch (cause) {
        if (signal.aborted) return;
        if (messageOf(cause) !== lastReason) logger.warn({ err: cause }, "the other managers could not be told this manager's new address yet");
        lastReason = messageOf(cause);
      }
      await pause(clock, PERIOD_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { state, logger } = this.#options;
    const before = state.now;
    const found = ownAddress(before, networkInterfaces());
    if (found.advertiseAddress === before.advertiseAddress && found.advertiseInterface === before.advertiseInterface) return;
    logger.info({ before: before.advertiseAddress, ...found }, "this host's own address");
    await state.replace({ ...before, ...found });
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { identity, state, clock, logger } = this.#options;
    const manager = this.#options.manager();
    const { nodeId } = identity;
    const { advertiseAddress, managers } = state.now;
    const members = manager?.members() ?? [];
    const known = members.find((member) => member.nodeId === nodeId);
    if (manager === null || manager.isRemoved || known === undefined || known.address === advertiseAddress) return;
    logger.info({ before: known.address, advertiseAddress }, "telling the other managers this manager's new address");
    const leading = manager.leading();
    if (leading !== null) {
      await leading.control.execute({ type: "joinMember", joinMember: { nodeId, address: advertiseAddress } });
      return;
    }
    const others = [...members, ...managers].filter((member) => member.nodeId !== nodeId).map(({ address }) => address);
    await joinAsMember({ addresses: [...new Set(others)], identity, advertiseAddress, incarnation: manager.incarnation, clock, signal });
  }
}
