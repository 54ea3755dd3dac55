import { voteResult } from "../../src/raft/quorum.js";
import { PropertyViolated } from "./checker.js";
import type { SimulatedMember } from "./member.js";
import { linkOf } from "./network.js";

/** What the watch needs to know of the world. */
export interface HealthWorld {
  /** Steps without any fault but flapping connections until what was under way before cannot matter any more. */
  readonly patience: number;
  /** Steps: a member that heard its leader within this time, or answered it, is in touch. */
  readonly touchMax: number;
  /** The member whose connection flaps. It counts for nothing. */
  readonly flapperId: number;
}

/**
 * A leader that a quorum hears, and that hears the quorum, stays leader, and nobody makes a new term: whatever one flapping connection or a
 * renewed certificate does to a member that is not needed. Faults of other kinds end the claim until all is quiet for long enough.
 */
export class LeaderHealth {
  readonly #world: HealthWorld;
  /** When a message of this kind last arrived, by link, for messages of the leader's term. */
  readonly #contact = new Map<number, { term: number; at: number }>();
  #claim: { readonly leader: SimulatedMember; readonly term: number; readonly since: number } | null = null;
  /** Steps during which the claim was in force. */
  watched = 0;

  constructor(world: HealthWorld) {
    this.#world = world;
  }

  /** Something else than a connection that flaps was done to the members. */
  disturbed(): void {
    this.#claim = null;
  }

  /** A message of a leader, or an answer to one, arrived. */
  heard({ from, to }: { readonly from: number; readonly to: number }, term: number, now: number): void {
    const contact = this.#contact.get(linkOf(from, to));
    if (contact === undefined) this.#contact.set(linkOf(from, to), { term, at: now });
    else [contact.term, contact.at] = [term, now];
  }

  check(members: ReadonlyMap<number, SimulatedMember>, leader: SimulatedMember | null, now: number): void {
    const claim = this.#claim;
    const isInForce = claim !== null && now - claim.since >= this.#world.patience;
    let termMax = 0;
    for (const member of members.values()) if (member.isAlive) termMax = Math.max(termMax, member.raft.term);
    if (isInForce) this.watched++;
    if (isInForce && (leader !== claim.leader || termMax !== claim.term)) {
      const now = `now ${leader?.id ?? "nobody"} leads and the highest term is ${termMax}`;
      throw new PropertyViolated(`stability: ${claim.leader.id} led in term ${claim.term} and a quorum heard it, but ${now}`);
    }
    const isHealthy = leader !== null && termMax === leader.raft.term && this.#isInTouch(members, leader, now);
    if (!isHealthy) this.#claim = null;
    else if (claim?.leader !== leader || claim.term !== termMax) this.#claim = { leader, term: termMax, since: now };
  }

  #isInTouch(members: ReadonlyMap<number, SimulatedMember>, leader: SimulatedMember, now: number): boolean {
    const { id: leaderId, raft } = leader;
    const { term, config } = raft;
    const since = now - this.#world.touchMax;
    // Who leaves a joint configuration that it leads may have no vote any more.
    if (config.votersOutgoing.length > 0) return false;
    const result = voteResult(config, (id) => {
      if (id === leaderId) return true;
      if (id === this.#world.flapperId || members.get(id)?.isRunning !== true) return false;
      return this.#hasArrived(linkOf(leaderId, id), term, since) && this.#hasArrived(linkOf(id, leaderId), term, since);
    });
    return result === "won";
  }

  /** Something of this term, after this step. */
  #hasArrived(link: number, term: number, since: number): boolean {
    const contact = this.#contact.get(link);
    return contact !== undefined && contact.term === term && contact.at > since;
  }
}
