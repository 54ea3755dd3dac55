import { EMPTY_CONFIG, memberIds } from "../raft/config-change.js";
import type { ConfigState } from "../raft/message.js";
import { isVoter } from "../raft/quorum.js";
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

  isVoter(raftId: number): boolean {
    return isVoter(this.#config, raftId);
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
