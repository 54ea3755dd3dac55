import { EMPTY_CONFIG, isJoint, memberIds } from "../raft/config-change.js";
import type { ConfigState } from "../raft/message.js";
import type { ConfigChange, Member } from "../wire/generated/raft.js";

/** Who the members are, as of the last applied configuration entry. */
export class Membership {
  #members = new Map<number, Member>();
  #config: ConfigState = EMPTY_CONFIG;

  get config(): ConfigState {
    return this.#config;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  get(raftId: number): Member | undefined {
    return this.#members.get(raftId);
  }

  byNode(nodeId: string): Member | undefined {
    return this.members.find((member) => member.nodeId === nodeId);
  }

  /** While several voters change, the old ones are told: until that is over, the group can bear the loss of none but as before. */
  isVoter(raftId: number): boolean {
    const { voters, votersOutgoing } = this.#config;
    return (isJoint(this.#config) ? votersOutgoing : voters).includes(raftId);
  }

  /** Where a voter stands among all, from 0 to below 1: what all do from time to time they do at different times. */
  phaseOf(raftId: number): number {
    const { voters } = this.#config;
    return Math.max(voters.indexOf(raftId), 0) / Math.max(voters.length, 1);
  }

  /** Replaces everything, by what a snapshot says or a joining member was told. */
  reset(members: readonly Member[], config: ConfigState | null): void {
    this.#members = new Map(members.map((member) => [member.raftId, member]));
    this.#config = config ?? EMPTY_CONFIG;
  }

  /** A configuration entry is in force, and `config` what the core says counts now. */
  apply(change: ConfigChange, config: ConfigState): void {
    this.#config = config;
    const known = new Set(memberIds(config));
    for (const member of change.members) this.#members.set(member.raftId, member);
    for (const raftId of this.#members.keys()) if (!known.has(raftId)) this.#members.delete(raftId);
  }
}
