import { defined } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError, isClusterError } from "../base/errors.js";
import { newRaftId } from "../base/ids.js";
import { isJoint, planConfigChange } from "../raft/config-change.js";
import type { Raft } from "../raft/raft.js";
import { type ConfigChange, ConfigChangeCodec, type Member } from "../wire/generated/raft.js";
import type { Membership } from "./membership.js";

/** How long a change waits for the one before it, and for its own commit. */
const CHANGE_MS_MAX = 10_000;
/** How often it looks whether it may be proposed. */
const RETRY_MS = 20;
/** A learner that lacks fewer entries than this is caught up. */
const LAG_MAX = 100;

/** Changes of the membership, on the leader: one at a time, each committed and in force before the next. */
export class MemberChanges {
  readonly #raft: Raft;
  readonly #membership: Membership;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #waiting = new Map<Uint8Array, Deferred<void>>();
  /** Of changes that are in force, but whose old voters still count. */
  #unfinished: Deferred<void>[] = [];
  #last: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #isPromoting = false;

  constructor(options: { readonly raft: Raft; readonly membership: Membership; readonly clock: Clock; readonly wake: () => void }) {
    this.#raft = options.raft;
    this.#membership = options.membership;
    this.#clock = options.clock;
    this.#wake = options.wake;
  }

  /**
   * Makes a node a member: first a learner, which counts for nothing, and a voter as soon as it has the log (`promote`). The same node
   * at the same address is told again what it is; at a new address, the others learn of it.
   */
  join(nodeId: string, address: string): Promise<Member> {
    return this.#oneByOne(async () => {
      const known = this.#membership.byNode(nodeId);
      if (known?.address === address) return known;
      const member: Member = { raftId: known?.raftId ?? newRaftId(), nodeId, address };
      await this.#propose({ steps: known === undefined ? [{ action: "add_learner", raftId: member.raftId }] : [], members: [member], proposalId: 0 });
      return member;
    });
  }

  /** Ends a node's membership; nothing happens when it is no member. Throws `failed_precondition` when those left would have no quorum. */
  remove(nodeId: string, isReachable: (raftId: number) => boolean): Promise<void> {
    return this.#oneByOne(async () => {
      const member = this.#membership.byNode(nodeId);
      if (member === undefined) return;
      const assertAllowed = () => this.#assertQuorumWithout(member, isReachable);
      await this.#propose({ steps: [{ action: "remove", raftId: member.raftId }], members: [], proposalId: 0 }, assertAllowed);
    });
  }

  /**
   * For each tick of a leader: makes voters of the learners that have caught up, in one change: of one member a group of three then comes without
   * being one of two on the way, which bears no loss.
   */
  promote(lastIndex: number): void {
    if (this.#isPromoting || this.#membership.config.learners.length === 0) return;
    const progress = this.#raft.status().progress;
    const ready = this.#membership.config.learners.filter((learner) => {
      const reached = progress.get(learner);
      return reached?.recentlyActive && reached.match > 0 && reached.match + LAG_MAX >= lastIndex;
    });
    if (ready.length === 0) return;
    this.#isPromoting = true;
    this.#oneByOne(async () => {
      const learners = ready.filter((raftId) => this.#membership.config.learners.includes(raftId));
      const steps = learners.map((raftId) => ({ action: "add_voter" as const, raftId }));
      if (steps.length > 0) await this.#propose({ steps, members: [], proposalId: 0 });
    })
      .catch(() => undefined) // The next tick, here or on the next leader, tries again.
      .finally(() => {
        this.#isPromoting = false;
      });
  }

  /** A configuration entry is in force. A change of several voters is over when the old ones do not count any more. */
  applied(data: Uint8Array): void {
    const change = this.#waiting.get(data);
    this.#waiting.delete(data);
    if (change !== undefined) this.#unfinished.push(change);
    if (isJoint(this.#membership.config)) return;
    const finished = this.#unfinished;
    this.#unfinished = [];
    for (const { resolve } of finished) resolve();
  }

  /** The member stops: changes that still wait for their turn fail. */
  stop(): void {
    this.lose();
    this.#stopping.abort(new ClusterError("unavailable", "this manager is stopping"));
  }

  /** Leadership is lost: what is in the log may still commit. */
  lose(): void {
    const waiting = [...this.#waiting.values(), ...this.#unfinished];
    this.#waiting.clear();
    this.#unfinished = [];
    for (const { reject } of waiting) reject(new ClusterError("outcome_unknown", "leadership was lost before the membership change was committed"));
  }

  #oneByOne<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.then(
      () => undefined,
      () => undefined, // Whoever asked for the change is told; the next one does not depend on it.
    );
    return done;
  }

  /** `assertAllowed` looks at the group as the change before left it. */
  async #propose(change: ConfigChange, assertAllowed: () => void = () => undefined): Promise<void> {
    const data = ConfigChangeCodec.encode(change);
    const deadlineMs = this.#clock.monotonic() + CHANGE_MS_MAX;
    this.#stopping.signal.throwIfAborted();
    while (!this.#tryPropose(change, data, assertAllowed)) {
      if (this.#clock.monotonic() >= deadlineMs) throw new ClusterError("unavailable", "the membership change before this one is not finished");
      await this.#clock.sleep(RETRY_MS, this.#stopping.signal);
    }
    const applied = deferred<void>();
    this.#waiting.set(data, applied);
    this.#wake();
    const cancel = this.#clock.after(CHANGE_MS_MAX, () => {
      this.#waiting.delete(data);
      applied.reject(new ClusterError("outcome_unknown", `the membership change was not committed within ${CHANGE_MS_MAX} ms`));
    });
    await applied.promise.finally(cancel);
  }

  /** False when the change has to wait for another one. */
  #tryPropose({ steps }: ConfigChange, data: Uint8Array, assertAllowed: () => void): boolean {
    if (isJoint(this.#membership.config)) return false;
    assertAllowed();
    planConfigChange(this.#membership.config, steps);
    try {
      this.#raft.proposeConfigChange(data);
      return true;
    } catch (cause) {
      if (isClusterError(cause, "failed_precondition")) return false;
      throw cause;
    }
  }

  #assertQuorumWithout(member: Member, isReachable: (raftId: number) => boolean): void {
    const left = this.#membership.config.voters.filter((raftId) => raftId !== member.raftId);
    if (!this.#membership.isVoter(member.raftId)) return;
    const reachable = left.filter(isReachable).length;
    if (reachable >= Math.floor(left.length / 2) + 1) return;
    throw new ClusterError(
      "failed_precondition",
      `removing manager ${member.nodeId} would leave ${reachable} reachable of ${left.length} managers, which is no quorum`,
    );
  }
}

/** The reachable voter, other than `self` and those on their way out, that lacks least of the log. Throws `failed_precondition` when there is none. */
export function successorOf(raft: Raft, self: number, isReachable: (raftId: number) => boolean): number {
  // The core forgets who answered whenever it checks the quorum, so its word alone would now and then rule out everybody.
  const { progress: members, config } = raft.status();
  const voters = [...members].filter(
    ([raftId, progress]) => raftId !== self && config.voters.includes(raftId) && (progress.recentlyActive || isReachable(raftId)),
  );
  if (voters.length === 0) throw new ClusterError("failed_precondition", "there is no other manager that could lead");
  return defined(voters.sort(([, a], [, b]) => b.match - a.match)[0], "a list that is not empty has a first element")[0];
}
