import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import type { Store } from "../../store/store.js";
import type { ControlReply, JoinMember, LeaveMember } from "../../wire/generated/control.js";
import { laterPart } from "./later-part.js";
import { lossOfQuorum, type Membership, survivesWithout } from "./membership.js";
import { removeNode } from "./node-removal.js";
import { missing } from "./refusals.js";

/** Managers that join and leave the raft group. */
export class MemberControl {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #membership: Membership;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly membership: Membership }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#membership = options.membership;
  }

  /** Throws `permission_denied` for a node that is not to be a manager. */
  async join({ nodeId, address }: JoinMember): Promise<ControlReply> {
    const { cluster } = this.#store.view;
    if (cluster === undefined) throw missing("cluster", "");
    const node = this.#store.view.nodes.get(nodeId);
    if (node?.role !== "manager" || node.spec?.role !== "manager")
      throw new ClusterError("permission_denied", `node ${nodeId} is not a manager of this cluster`);
    if (address === "") throw new ClusterError("invalid_argument", "address of the new member must be given");
    const { raftId, members } = await this.#membership.join(nodeId, address);
    return { type: "joinMember", joinMember: { raftId, members, clusterId: cluster.id, incarnation: cluster.incarnation } };
  }

  /**
   * Takes a manager that leaves out of the group, and out of the cluster when it never got as far as to register. A leader that leaves hands over first; the caller is
   * told `no_leader` and asks the next one. Throws `failed_precondition` when the others would be no quorum.
   */
  async leave({ nodeId }: LeaveMember): Promise<ControlReply> {
    await this.#leaveGroup(nodeId);
    await laterPart(() =>
      this.#store.update((tx) => {
        const node = tx.nodes.get(nodeId);
        if (node !== undefined && node.description === null) removeNode(tx, node, this.#clock.now());
      }),
    );
    return { type: "done", done: {} };
  }

  async #leaveGroup(nodeId: string): Promise<void> {
    const members = this.#membership.members();
    const leaving = members.find((member) => member.nodeId === nodeId);
    if (leaving === undefined) return;
    if (members.length === 1) throw new ClusterError("failed_precondition", "the last manager of the swarm cannot be taken out of it");
    if (!survivesWithout(members, nodeId)) throw lossOfQuorum(members, nodeId);
    if (leaving.isLeader) {
      await this.#membership.transferLeadership();
      throw new ClusterError("no_leader", "leadership was handed over: another manager leads now");
    }
    await this.#membership.remove(nodeId);
  }
}
