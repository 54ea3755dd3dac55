import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import type { Node } from "../../model/objects.js";
import { validateNodeSpec } from "../../model/validation/node-spec.js";
import type { Store } from "../../store/store.js";
import type { StoreView } from "../../store/view.js";
import type { ControlReply, RemoveNode, UpdateNode } from "../../wire/generated/control.js";
import { laterPart } from "./later-part.js";
import { lossOfQuorum, type Membership, survivesWithout } from "./membership.js";
import { assertRoomToRemember, drain, fitsOneTransaction, orphanTask, removeNode } from "./node-removal.js";
import { missing, outOfSequence } from "./refusals.js";

/** What clients do to nodes. A change of role is only wished for here: the role manager carries it out. */
export class NodeControl {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #membership: Membership;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly membership: Membership }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#membership = options.membership;
  }

  async update(request: UpdateNode): Promise<ControlReply> {
    const { nodeId, version, spec } = request;
    validateNodeSpec(spec);
    await this.#store.update((tx) => {
      const node = tx.nodes.get(nodeId);
      if (node === undefined) throw missing("node", nodeId);
      if (node.meta?.version !== version) throw outOfSequence(version, node.meta?.version);
      if (spec.role === "worker" && node.spec?.role === "manager") this.#assertMayDemote(tx, node);
      tx.update("node", { ...node, spec }, { isClientWrite: true });
    });
    const node = this.#store.view.nodes.get(nodeId);
    if (node === undefined) throw missing("node", nodeId);
    return { type: "node", node };
  }

  async remove({ nodeId, force }: RemoveNode): Promise<ControlReply> {
    const nowMs = this.#clock.now();
    const removable = (view: StoreView): Node => {
      const node = view.nodes.get(nodeId);
      if (node === undefined) throw missing("node", nodeId);
      this.#assertMayRemove(node, force);
      assertRoomToRemember(view, nowMs);
      return node;
    };
    let isDone = false;
    await this.#store.update((tx) => {
      const node = removable(tx);
      isDone = fitsOneTransaction(tx, node);
      if (isDone) removeNode(tx, node, nowMs);
      // Its tasks go first, so that none is left that runs on a node that is gone, and no others may come meanwhile.
      else drain(tx, node);
    });
    if (!isDone) {
      await laterPart(() => this.#store.batch(this.#store.view.tasks.byNode(nodeId), (tx, { id }) => orphanTask(tx, id, nowMs)));
      await laterPart(() => this.#store.update((tx) => removeNode(tx, removable(tx), nowMs)));
    }
    return { type: "done", done: {} };
  }

  #assertMayDemote(view: StoreView, node: Node): void {
    const others = [...view.nodes.all()].filter((other) => other.id !== node.id && other.spec?.role === "manager");
    const members = this.#membership.members();
    const isMember = members.some((member) => member.nodeId === node.id);
    // Managers that were left behind when the swarm was founded anew are managers by their wish alone.
    if (others.length === 0 || (isMember && members.length === 1)) {
      throw new ClusterError("failed_precondition", "attempting to demote the last manager of the swarm");
    }
    if (isMember && !survivesWithout(members, node.id)) throw lossOfQuorum(members, node.id);
  }

  /** A manager that left the raft group by itself may go without being demoted first. */
  #assertMayRemove(node: Node, force: boolean): void {
    if (this.#membership.members().some((member) => member.nodeId === node.id)) {
      throw new ClusterError(
        "failed_precondition",
        `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
      );
    }
    if (!force && node.status?.state === "ready") throw new ClusterError("failed_precondition", `node ${node.id} is not down and can't be removed`);
  }
}
