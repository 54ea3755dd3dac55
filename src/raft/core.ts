import { assert } from "../base/assert.js";
import { integerBetween, type Random } from "../base/random.js";
import { ForwardedReads } from "./forwarded-reads.js";
import type { InflightLimits } from "./inflights.js";
import type { LeaderReads } from "./leader-reads.js";
import { RaftLog } from "./log.js";
import type { ConfigState, HardState } from "./message.js";
import type { RaftOptions } from "./options.js";
import { type MessageParts, messageOf, Outbox } from "./outbox.js";
import type { Progress } from "./progress.js";
import { isVoter } from "./quorum.js";
import type { ReadState, Role } from "./ready.js";

const ANSWERS_PER_ELECTION = 3;

/** What a leader knows and nobody else does. */
export interface Leadership {
  readonly progress: Map<number, Progress>;
  readonly reads: LeaderReads;
  /** The last configuration entry that may be unapplied: none is proposed until it is. */
  pendingConfigIndex: number;
  /** The voter that is to take over; 0 is none. */
  transferee: number;
  transferElapsed: number;
  /** The commit rose, and not everybody was told yet. */
  hasCommitNews: boolean;
}

/**
 * The state that all roles share, and the transitions that every role can make. The rules of each role are in
 * leader.ts, election.ts and follower.ts; raft.ts is the face of all of it.
 */
export class Core {
  readonly id: number;
  readonly log: RaftLog;
  readonly outbox = new Outbox();
  readonly random: Random;
  electionTicks = 0;
  heartbeatTicks = 0;
  readonly bytesPerMessageMax: number;
  readonly window: InflightLimits;
  readonly forwardedReads: ForwardedReads;

  config: ConfigState;
  term: number;
  /** Whom this member voted for in `term`; 0 is nobody. */
  vote: number;
  role: Role = "follower";
  /** 0 when none is known. */
  leader = 0;
  /** Votes of the election under way. */
  votes = new Map<number, boolean>();
  /** Whether the election under way sets the others' lease aside. */
  isVoteForced = false;
  /** Invariant: non-null exactly while role is leader. */
  leadership: Leadership | null = null;
  readStates: ReadState[] = [];
  /** Ticks for which a transfer to this member counts that came while a change of membership was still to be applied: the leader gives it up after as many. */
  transferDeferredTicks = 0;

  /** Ticks since the leader was heard of; on a leader, since the quorum was checked. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;
  /** On a follower: heartbeats of a leader that needed no answer, since the last one that got one. */
  heartbeatsUnanswered = 0;

  constructor(options: RaftOptions) {
    const { hardState, config } = options.storage.initialState();
    assert(options.id > 0 && Number.isSafeInteger(options.id), `${options.id} is a raft id`);
    this.id = options.id;
    this.random = options.random;
    this.bytesPerMessageMax = options.bytesPerMessageMax;
    this.window = { messagesMax: options.inflightMessagesMax, bytesMax: options.inflightBytesMax };
    this.log = new RaftLog(options.storage, { commit: hardState.commit, applied: options.applied });
    this.forwardedReads = new ForwardedReads(options.random);
    this.config = config;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.setTicks(options);
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.commit };
  }

  /** Whether this member may lead. */
  get isPromotable(): boolean {
    return isVoter(this.config, this.id) && this.log.unstableSnapshot === null;
  }

  /** Whether a leader was heard of so lately that another one is not wanted. */
  get isLeaseHeld(): boolean {
    return this.leader !== 0 && this.electionElapsed < this.electionTicks;
  }

  /** Of quiet heartbeats, one in so many is answered: the leader hears of this member three times before it gives it up. */
  get heartbeatsPerAnswer(): number {
    return Math.max(1, Math.floor(this.electionTicks / (ANSWERS_PER_ELECTION * this.heartbeatTicks)));
  }

  setTicks({ electionTicks, heartbeatTicks }: Pick<RaftOptions, "electionTicks" | "heartbeatTicks">): void {
    assert(electionTicks > heartbeatTicks && heartbeatTicks > 0, `an election of ${electionTicks} ticks takes longer than a heartbeat of ${heartbeatTicks}`);
    this.electionTicks = electionTicks;
    this.heartbeatTicks = heartbeatTicks;
    this.#drawElectionTimeout();
  }

  send(parts: MessageParts): void {
    this.outbox.send(messageOf(parts, this));
  }

  becomeFollower(term: number): void {
    const unanswered = this.leadership?.reads.drain() ?? [];
    for (const read of unanswered) if (read.from === this.id) this.forwardedReads.add(read.context);
    this.#reset(term);
    this.role = "follower";
  }

  /** Does not touch term and vote: nothing has happened yet that anyone must remember. */
  becomePreCandidate(): void {
    assert(this.role !== "leader", "a leader does not stand for election");
    this.#startElectionTimer();
    this.role = "pre_candidate";
    this.leader = 0;
    this.votes = new Map();
    this.isVoteForced = false;
  }

  becomeCandidate(): void {
    assert(this.role !== "leader", "a leader does not stand for election");
    this.#reset(this.term + 1);
    this.role = "candidate";
    this.vote = this.id;
  }

  becomeLeader(leadership: Leadership): void {
    assert(this.role === "candidate", `a ${this.role} does not become leader`);
    this.#reset(this.term);
    this.role = "leader";
    this.leader = this.id;
    this.leadership = leadership;
  }

  /** Within the term: a leader made itself known. */
  followLeader(leader: number): void {
    if (this.leader === leader) return;
    assert(this.leader === 0, `term ${this.term} has one leader, ${this.leader}, and not ${leader}`);
    this.leader = leader;
    this.repeatReads();
  }

  /** Asks the leader for the reads that wait here, unless a request is under way. */
  forwardReads(): void {
    if (this.leader !== 0) this.#sendReadRequest(this.forwardedReads.begin());
  }

  /** The same, but repeats the request that is under way: it or its answer may be lost. */
  repeatReads(): void {
    if (this.leader !== 0) this.#sendReadRequest(this.forwardedReads.token ?? this.forwardedReads.begin());
  }

  #sendReadRequest(token: number | null): void {
    if (token !== null) this.send({ type: "read_index", to: this.leader, context: token });
  }

  #reset(term: number): void {
    assert(term >= this.term, `term ${term} is not below ${this.term}`);
    if (term !== this.term) {
      this.term = term;
      this.vote = 0;
    }
    this.leader = 0;
    this.leadership = null;
    this.votes = new Map();
    this.transferDeferredTicks = 0;
    this.heartbeatElapsed = 0;
    this.heartbeatsUnanswered = 0;
    this.#startElectionTimer();
  }

  /** Drawn anew each time, so that members that once collided do not go on colliding. */
  #startElectionTimer(): void {
    this.electionElapsed = 0;
    this.#drawElectionTimeout();
  }

  #drawElectionTimeout(): void {
    this.electionTimeout = integerBetween(this.random, this.electionTicks, 2 * this.electionTicks - 1);
  }
}
