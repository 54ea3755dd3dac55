import type { Member } from "../wire/generated/raft.js";

/** How long a removed member is still sent to. */
const FAREWELL_TICKS = 100;

/** Members that were removed and are still sent to for a while, so that they learn of it. */
export class DepartingMembers {
  readonly #ticksLeft = new Map<Member, number>();

  get members(): Iterable<Member> {
    return this.#ticksLeft.keys();
  }

  add(member: Member): void {
    this.#ticksLeft.set(member, FAREWELL_TICKS);
  }

  /** A tick passed. True when that was the last one of a member. */
  tick(): boolean {
    let hasDeparted = false;
    for (const [member, left] of this.#ticksLeft) {
      if (left > 1) this.#ticksLeft.set(member, left - 1);
      else hasDeparted = this.#ticksLeft.delete(member);
    }
    return hasDeparted;
  }
}
