import type { ConfigState } from "../raft/message.js";
import type { ConfigChange, Member } from "../wire/generated/raft.js";
import { DepartingMembers } from "./departing-members.js";
import { IntroducedMembers } from "./introduced-members.js";
import type { Membership } from "./membership.js";
import type { RaftTransport } from "./transport.js";

/** Whom this member sends to, and where. The transport is told whenever that changes. */
export class Peers {
  readonly #raftId: number;
  readonly #membership: Membership;
  readonly #transport: Pick<RaftTransport, "setPeers">;
  readonly #departing = new DepartingMembers();
  readonly #introduced = new IntroducedMembers();
  #isStopped = false;

  constructor(options: { readonly raftId: number; readonly membership: Membership; readonly transport: Pick<RaftTransport, "setPeers"> }) {
    this.#raftId = options.raftId;
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#update();
  }

  /** The membership was replaced as a whole, by that of a snapshot. */
  replaced(): void {
    this.#update();
  }

  /** A configuration entry is in force, and `config` what the core says counts now. */
  apply(change: ConfigChange, config: ConfigState): void {
    const before = this.#membership.members;
    this.#membership.apply(change, config);
    for (const member of before) if (this.#membership.get(member.raftId) === undefined) this.#departing.add(member);
    this.#update();
  }

  /** A member says who and where it is. It holds until the returned function is called. */
  introduced(member: Member): () => void {
    if (this.#isStopped) return () => undefined;
    this.#introduced.add(member);
    this.#update();
    return () => {
      if (this.#introduced.forget(member) && !this.#isStopped) this.#update();
    };
  }

  tick(): void {
    if (this.#departing.tick()) this.#update();
  }

  /** From now on it tells the transport nothing. */
  stop(): void {
    this.#isStopped = true;
  }

  /** What members say of themselves counts before what the log says of them. */
  #update(): void {
    const { members } = this.#membership;
    const peers = new Map([...members, ...this.#departing.members, ...this.#introduced.members].map((member) => [member.raftId, member]));
    peers.delete(this.#raftId);
    this.#transport.setPeers([...peers.values()]);
  }
}
