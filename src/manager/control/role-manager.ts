import { Backoff } from "../../base/backoff.js";
import type { Clock } from "../../base/clock.js";
import { type ClusterError, isClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import type { Random } from "../../base/random.js";
import type { Node } from "../../model/objects.js";
import type { Store } from "../../store/store.js";
import { isLeadershipLost } from "../leadership.js";
import { PassLoop } from "../pass-loop.js";
import { type Membership, type MembershipMember, survivesWithout } from "./membership.js";

/** One step towards the role that an operator wants a node to have. */
export type RoleStep =
  | { readonly type: "promote"; readonly nodeId: string }
  /** Demote a node that is no member of the raft group any more. */
  | { readonly type: "demote"; readonly nodeId: string }
  | { readonly type: "remove_member"; readonly nodeId: string }
  /** The node to demote leads: the next leader goes on. */
  | { readonly type: "hand_over"; readonly nodeId: string }
  /** The others would be no quorum now. */
  | { readonly type: "wait"; readonly nodeId: string };

/** The next step for each node whose role is not yet what is wanted. Pure. */
export function planRoleSteps(nodes: Iterable<Node>, members: readonly MembershipMember[]): readonly RoleStep[] {
  const steps: RoleStep[] = [];
  for (const node of nodes) {
    if (node.spec === null || node.spec.role === node.role) continue;
    if (node.spec.role === "manager") steps.push({ type: "promote", nodeId: node.id });
    else steps.push(demotionStep(node.id, members));
  }
  return steps;
}

function demotionStep(nodeId: string, members: readonly MembershipMember[]): RoleStep {
  const member = members.find((candidate) => candidate.nodeId === nodeId);
  if (member === undefined) return { type: "demote", nodeId };
  if (!survivesWithout(members, nodeId)) return { type: "wait", nodeId };
  return { type: member.isLeader ? "hand_over" : "remove_member", nodeId };
}

/**
 * Makes nodes what operators want them to be. A promoted node gets its role at once: it renews its certificate and joins by itself. A demoted one leaves
 * the raft group first, so that no worker ever votes.
 */
export class RoleManager {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #membership: Membership;
  readonly #backoff: Backoff;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly random: Random; readonly logger: Logger; readonly membership: Membership }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#membership = options.membership;
    this.#backoff = new Backoff({ firstMs: 250, maxMs: 8_000, random: options.random });
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. */
  async run(signal: AbortSignal): Promise<void> {
    const loop = new PassLoop();
    let cancelRetry: () => void = () => undefined;
    const stop = this.#store.watch((events) => {
      if (events.some((event) => event.kind === "node" && event.action !== "remove" && event.object.spec?.role !== event.object.role)) loop.ask();
    });
    try {
      await loop.run(async () => {
        cancelRetry();
        if (await this.#pass()) this.#backoff.reset();
        else cancelRetry = this.#clock.after(this.#backoff.nextMs(), () => loop.ask());
      }, signal);
    } finally {
      cancelRetry();
      stop();
    }
  }

  /** Returns false when something is left to try again. */
  async #pass(): Promise<boolean> {
    let isDone = true;
    // A leader that is to be demoted hands over last, when it has done what it can for the others.
    const steps = planRoleSteps(this.#store.view.nodes.all(), this.#membership.members());
    for (const step of [...steps.filter(({ type }) => type !== "hand_over"), ...steps.filter(({ type }) => type === "hand_over")]) {
      try {
        isDone = (await this.#take(step)) && isDone;
      } catch (cause) {
        if (!isClusterError(cause) || isLeadershipLost(cause)) throw cause;
        this.#noteFailure(step, cause);
        isDone = false;
      }
    }
    return isDone;
  }

  async #take(step: RoleStep): Promise<boolean> {
    switch (step.type) {
      case "promote":
        await this.#setRole(step.nodeId, "manager");
        return true;
      case "demote":
        await this.#setRole(step.nodeId, "worker");
        return true;
      case "remove_member":
        await this.#membership.remove(step.nodeId);
        await this.#setRole(step.nodeId, "worker");
        return true;
      case "hand_over":
        await this.#membership.transferLeadership();
        return false;
      case "wait":
        this.#logger.warn({ nodeId: step.nodeId }, "demotion waits: without this node the reachable managers would be no quorum");
        return false;
    }
  }

  #noteFailure(step: RoleStep, cause: ClusterError): void {
    this.#logger.warn({ nodeId: step.nodeId, step: step.type, err: cause }, "change of role failed and will be tried again");
  }

  /** Only as long as it is still wanted. */
  #setRole(nodeId: string, role: Node["role"]): Promise<void> {
    return this.#store.update((tx) => {
      const node = tx.nodes.get(nodeId);
      if (node !== undefined && node.spec?.role === role && node.role !== role) tx.update("node", { ...node, role });
    });
  }
}
