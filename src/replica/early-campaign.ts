import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import { integerBetween, type Random } from "../base/random.js";
import type { Raft } from "../raft/raft.js";

/** Time for the others to notice too: until then they hold the leader's lease. */
const NOTICE_MS = 30;
/** Between the first attempts of one voter and the next, so that votes do not split. */
const RANK_MS = 60;
const JITTER_MS = 20;
/** After so many attempts the ordinary election timeout decides. */
const ATTEMPTS_MAX = 3;

/**
 * Failing over early (architecture, section 3): when the leader's process is known to be gone, this voter sets the lease aside and
 * stands soon, in an order that all voters find by themselves. A wrong report does no harm: the others still hold the lease, so they
 * refuse the pre-vote, and the next heartbeat ends the attempt.
 */
export class EarlyCampaign {
  readonly #raft: Raft;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #wake: () => void;
  #cancel: () => void = () => undefined;

  constructor(options: { readonly raft: Raft; readonly clock: Clock; readonly random: Random; readonly logger: Logger; readonly wake: () => void }) {
    this.#raft = options.raft;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#wake = options.wake;
  }

  /** A peer's process is gone. Nothing happens unless it leads. */
  peerLost(raftId: number): void {
    const { id, leader, term, config } = this.#raft.status();
    if (leader !== raftId || raftId === id) return;
    this.#logger.info({ leader, term }, "the leader's process is gone; not waiting for the election timeout");
    this.#raft.forgetLeader();
    this.#wake();
    const voters = [...new Set([...config.voters, ...config.votersOutgoing])].filter((voter) => voter !== raftId).sort((a, b) => a - b);
    const rank = voters.indexOf(id);
    if (rank === -1) return;
    this.#schedule(NOTICE_MS + rank * RANK_MS, { term, periodMs: NOTICE_MS + voters.length * RANK_MS, left: ATTEMPTS_MAX });
  }

  stop(): void {
    this.#cancel();
  }

  #schedule(delayMs: number, attempts: { readonly term: number; readonly periodMs: number; readonly left: number }): void {
    this.#cancel();
    this.#cancel = this.#clock.after(delayMs + integerBetween(this.#random, 0, JITTER_MS), () => {
      const { leader, term } = this.#raft;
      // With a newer term somebody else's election is under way, and a leader that is known is alive.
      if (leader !== 0 || term !== attempts.term) return;
      this.#raft.campaign();
      this.#wake();
      if (attempts.left > 1) this.#schedule(attempts.periodMs, { ...attempts, left: attempts.left - 1 });
    });
  }
}
