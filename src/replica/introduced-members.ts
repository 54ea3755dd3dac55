import type { Member } from "../wire/generated/raft.js";

/**
 * Members as they said themselves that they are, for as long as the connections stand on which they did: what was heard last counts, also before the log, which may say first
 * where they were earlier.
 */
export class IntroducedMembers {
  readonly #members = new Map<number, Member>();

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  add(member: Member): void {
    this.#members.set(member.raftId, member);
  }

  /** The connection on which this was said is over. False when something else was heard of the member since. */
  forget(member: Member): boolean {
    return this.#members.get(member.raftId) === member && this.#members.delete(member.raftId);
  }
}
