import { ClusterError } from "../base/errors.js";
import type { Random } from "../base/random.js";
import type { ManagerPeer } from "../wire/generated/dispatcher.js";
import type { ManagerConnection, ManagerConnector } from "./manager-client.js";

/** Dials one manager, host:port. */
export type DialManager = (address: string, signal: AbortSignal) => Promise<ManagerConnection>;

/**
 * Chooses among the known managers: the leader when someone named it, otherwise a random one of those that were not tried for longest. So a hint that leads
 * nowhere costs one attempt, agents spread over the managers while there is no leader, and one that lives is soon found among those that do not.
 */
export class ManagerRoster implements ManagerConnector {
  readonly #dial: DialManager;
  readonly #random: Random;
  #addresses: readonly string[];
  #triedLast = "";
  /** In this round: each is tried once before one is tried again. */
  readonly #tried = new Set<string>();

  constructor(options: { readonly dial: DialManager; readonly random: Random; readonly addresses: readonly string[] }) {
    this.#dial = options.dial;
    this.#random = options.random;
    this.#addresses = options.addresses;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  connect(leader: string, signal: AbortSignal): Promise<ManagerConnection> {
    const address = leader !== "" && leader !== this.#triedLast ? leader : this.#pick();
    this.#triedLast = address;
    this.#tried.add(address);
    return this.#dial(address, signal);
  }

  learn(managers: readonly ManagerPeer[]): void {
    if (managers.length > 0) this.#addresses = managers.map((manager) => manager.address);
  }

  #pick(): string {
    if (this.#addresses.every((address) => this.#tried.has(address))) this.#tried.clear();
    const others = this.#addresses.filter((address) => !this.#tried.has(address) && address !== this.#triedLast);
    const candidates = others.length > 0 ? others : this.#addresses;
    const address = candidates[Math.floor(this.#random.next() * candidates.length)];
    if (address === undefined) throw new ClusterError("unavailable", "no manager is known");
    return address;
  }
}
