import type { Member } from "../wire/generated/raft.js";

/** Members as they said themselves that they are, until the log says it: what was heard last counts. */
export class IntroducedMembers {
  readonly #members = new Map<number, Member>();

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  add(member: Member): void {
    this.#members.set(member.raftId, member);
  }

  /** The log says who these are. */
  known(members: readonly Member[]): void {
    for (const { raftId } of members) this.#members.delete(raftId);
  }

  /** The connection on which this was said is over. False when something else was heard of the member since. */
  forget(member: Member): boolean {
    return this.#members.get(member.raftId) === member && this.#members.delete(member.raftId);
  }
}
