import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import { integerBetween, type Random } from "../base/random.js";
import type { RaftMessage } from "../raft/message.js";
import type { Raft } from "../raft/raft.js";

/** By how much the heartbeat of a leader that lives may be late. */
const LATE_MS = 20;
/** Time for the others to notice too: until then they hold the leader's lease. */
const NOTICE_MS = 30;
/** Between the first attempts of one voter and the next, so that votes do not split. */
const RANK_MS = 60;
const JITTER_MS = 20;
/** After so many attempts the ordinary election timeout decides. */
const ATTEMPTS_MAX = 5;

/**
 * Failing over early (architecture, section 3): when the leader's process is known to be gone, this voter sets the lease aside and
 * stands soon, in an order that all voters find by themselves. A wrong report does no harm: the others still hold the lease, so they
 * refuse the pre-vote. Nor do several at once: the lease is set aside only when the leader is silent for longer than it ever is.
 */
export class EarlyCampaign {
  readonly #raft: Raft;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #heartbeatMs: () => number;
  readonly #wake: () => void;
  /** Who last spoke as a leader, and when. */
  #heard = { raftId: 0, atMs: 0 };
  #cancel: () => void = () => undefined;

  /** `heartbeatMs`: a leader that lives is heard this often. */
  constructor(options: {
    readonly raft: Raft;
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
    readonly heartbeatMs: () => number;
    readonly wake: () => void;
  }) {
    this.#raft = options.raft;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#heartbeatMs = options.heartbeatMs;
    this.#wake = options.wake;
  }

  /** To be told of each message that arrives. */
  heard({ type, from }: RaftMessage): void {
    if (type === "heartbeat" || type === "append") this.#heard = { raftId: from, atMs: this.#clock.monotonic() };
  }

  /** A peer's process is gone. Nothing happens unless it leads, and is silent from now on. */
  peerLost(raftId: number): void {
    const { id, leader, term } = this.#raft.status();
    if (leader !== raftId || raftId === id) return;
    // What was on its way when the process ended may still arrive, so one sign of life is none.
    this.#awaitSilence({ leader, term, left: 2 });
  }

  stop(): void {
    this.#cancel();
  }

  #awaitSilence({ leader, term, left }: { readonly leader: number; readonly term: number; readonly left: number }): void {
    const nowMs = this.#clock.monotonic();
    const silentMs = this.#heard.raftId === leader ? nowMs - this.#heard.atMs : 0;
    this.#cancel();
    this.#cancel = this.#clock.after(Math.max(this.#heartbeatMs() - silentMs, 0) + LATE_MS, () => {
      if (this.#raft.leader !== leader || this.#raft.term !== term) return;
      const isHeard = this.#heard.raftId === leader && this.#heard.atMs >= nowMs;
      if (!isHeard) this.#setAside(leader, term);
      else if (left > 1) this.#awaitSilence({ leader, term, left: left - 1 });
    });
  }

  #setAside(leader: number, term: number): void {
    this.#logger.info({ leader, term }, "the leader's process is gone; not waiting for the election timeout");
    this.#raft.forgetLeader();
    this.#wake();
    const { id, config } = this.#raft.status();
    const voters = [...new Set([...config.voters, ...config.votersOutgoing])].filter((voter) => voter !== leader).sort((a, b) => a - b);
    const rank = voters.indexOf(id);
    if (rank === -1) return;
    this.#schedule(NOTICE_MS + rank * RANK_MS, { term, periodMs: NOTICE_MS + voters.length * RANK_MS, left: ATTEMPTS_MAX });
  }

  #schedule(delayMs: number, attempts: { readonly term: number; readonly periodMs: number; readonly left: number }): void {
    this.#cancel();
    this.#cancel = this.#clock.after(delayMs + integerBetween(this.#random, 0, JITTER_MS), () => {
      const { leader, term } = this.#raft;
      // A leader that is known is alive.
      if (leader !== 0) return;
      // With a newer term somebody else's election is under way: it may come to nothing.
      if (term === attempts.term) {
        this.#raft.campaign();
        this.#wake();
      }
      if (attempts.left > 1) this.#schedule(attempts.periodMs, { ...attempts, term, left: attempts.left - 1 });
    });
  }
}
