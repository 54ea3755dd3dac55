import { quorumIndex, type VoterSets } from "./quorum.js";

/** Someone who waits for a read: the leader itself, or a follower on behalf of its callers. */
export interface PendingRead {
  readonly from: number;
  readonly context: number;
}

/** A confirmed read: may be served once `index` is applied. */
export interface ConfirmedRead extends PendingRead {
  readonly index: number;
}

interface Round {
  readonly number: number;
  /** Commit index when the round began, so not before any of its reads was asked for. */
  readonly index: number;
  readonly reads: readonly PendingRead[];
}

/**
 * Linearizable reads on a leader, in rounds of heartbeats: a quorum that answers the round's heartbeat proves that there was
 * no newer leader when the round began. Reads that come while a round is under way share the next one.
 */
export class LeaderReads {
  #waiting: PendingRead[] = [];
  #rounds: Round[] = [];
  #lastRound = 0;
  readonly #acknowledged = new Map<number, number>();

  /** A follower has one read under way, so a repeated or newer one of the same follower replaces it. */
  addRemote(read: PendingRead): void {
    const isUnderWay = this.#rounds.some((round) => round.reads.some((other) => other.from === read.from && other.context === read.context));
    if (isUnderWay) return;
    this.#waiting = this.#waiting.filter((other) => other.from !== read.from);
    this.#waiting.push(read);
  }

  addOwn(read: PendingRead): void {
    this.#waiting.push(read);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get isRoundUnderWay(): boolean {
    return this.#rounds.length > 0;
  }

  /** What heartbeats carry: the newest round, 0 when none waits for answers. */
  get context(): number {
    return this.isRoundUnderWay ? this.#lastRound : 0;
  }

  beginRound(commit: number): void {
    this.#lastRound++;
    this.#rounds.push({ number: this.#lastRound, index: commit, reads: this.#waiting });
    this.#waiting = [];
  }

  acknowledge(from: number, round: number): void {
    this.#acknowledged.set(from, Math.max(round, this.#acknowledged.get(from) ?? 0));
  }

  /** Reads whose round a quorum has answered; `selfId` always agrees. */
  takeConfirmed(config: VoterSets, selfId: number): readonly ConfirmedRead[] {
    if (!this.isRoundUnderWay) return [];
    const confirmed = quorumIndex(config, (raftId) => (raftId === selfId ? this.#lastRound : (this.#acknowledged.get(raftId) ?? 0)));
    const done = this.#rounds.filter((round) => round.number <= confirmed);
    if (done.length > 0) this.#rounds = this.#rounds.filter((round) => round.number > confirmed);
    return done.flatMap(({ index, reads }) => reads.map((read) => ({ ...read, index })));
  }

  /** Everything unanswered, when leadership ends. */
  drain(): readonly PendingRead[] {
    const unanswered = [...this.#rounds.flatMap((round) => round.reads), ...this.#waiting];
    this.#rounds = [];
    this.#waiting = [];
    return unanswered;
  }
}
