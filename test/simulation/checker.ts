import { type ClusterError, isClusterError, messageOf } from "../../src/base/errors.js";
import type { Entry, RaftMessage } from "../../src/raft/message.js";
import type { LogStorage } from "../../src/raft/ready.js";
import { sameBytes } from "../../src/replica/entry-chain.js";
import type { LogState } from "../../src/replica/log-state.js";
import { decodeCommand } from "./command.js";
import { chain } from "./machine.js";

/** A property of the protocol was seen not to hold. */
export class PropertyViolated extends Error {
  override readonly name = "PropertyViolated";
}

/** What says that something is durable. */
const VOUCHING: ReadonlySet<RaftMessage["type"]> = new Set(["append_reply", "vote", "vote_reply"]);

/** The state is sealed anew by so many writes. */
const RESEALING_WRITES = 1;

/** An entry as it was first seen in a log, and the term of the one before it. */
interface StoredAfter {
  readonly entry: Entry;
  readonly previousTerm: number;
}

interface CommittedEntry {
  readonly term: number;
  readonly digest: number;
  /** Highest term that had a leader when it was first seen committed. */
  readonly leaderTerm: number;
}

/** Watches all members from outside. Each method checks one thing and throws PropertyViolated. */
export class Checker {
  readonly #leaderOfTerm = new Map<number, number>();
  /** By index, one for each term. */
  readonly #stored = new Map<number, StoredAfter[]>();
  readonly #committed = new Map<number, CommittedEntry>();
  readonly #indexOfValue = new Map<number, number>();
  readonly #acknowledged = new Map<number, number>();
  #leaderTermMax = 0;
  #committedMax: number;
  readonly counts = { elections: 0, committed: 0, acknowledged: 0, reads: 0, damaged: 0, refused: 0, diskFailures: 0, introduced: 0 };

  /** `baseIndex` and `baseDigest`: what every member begins with. */
  constructor(baseIndex: number, baseTerm: number, baseDigest: number) {
    this.#committedMax = baseIndex;
    this.#committed.set(baseIndex, { term: baseTerm, digest: baseDigest, leaderTerm: 0 });
  }

  get committedMax(): number {
    return this.#committedMax;
  }

  /** The member who last was seen to lead. */
  get latestLeader(): number {
    return this.#leaderOfTerm.get(this.#leaderTermMax) ?? 0;
  }

  /** Where a write was committed; undefined when it was not, so far. */
  indexOf(value: number): number | undefined {
    return this.#indexOfValue.get(value);
  }

  /** Election safety, and leader completeness: who leads has everything that was committed in earlier terms. */
  leads(raftId: number, term: number, log: LogStorage): void {
    const known = this.#leaderOfTerm.get(term);
    if (known === raftId) return;
    if (known !== undefined) throw new PropertyViolated(`election safety: ${known} and ${raftId} both lead in term ${term}`);
    this.#leaderOfTerm.set(term, raftId);
    this.counts.elections++;
    for (let index = log.firstIndex(); index <= this.#committedMax; index++) {
      const entry = this.#committed.get(index);
      if (entry === undefined || entry.leaderTerm >= term || log.term(index) === entry.term) continue;
      throw new PropertyViolated(`leader completeness: ${raftId} leads in term ${term} without the committed entry ${index} of term ${entry.term}`);
    }
    this.#leaderTermMax = Math.max(this.#leaderTermMax, term);
  }

  /** Log matching: one index and term means one entry, after one predecessor. By induction the logs before it are equal. */
  stores(raftId: number, entries: readonly Entry[], termBefore: number): void {
    let previousTerm = termBefore;
    for (const entry of entries) {
      const known = this.#knownLike(entry, previousTerm);
      // Most are the same in memory.
      if (known.previousTerm !== previousTerm || (known.entry !== entry && !sameBytes(known.entry.data, entry.data)))
        throw new PropertyViolated(`log matching: ${raftId} stores another entry at ${entry.index}/${entry.term} than somebody else`);
      previousTerm = entry.term;
    }
  }

  /** What somebody stored at this index and term: this, when nobody did. */
  #knownLike(entry: Entry, previousTerm: number): StoredAfter {
    const atIndex = this.#stored.get(entry.index);
    const known = atIndex?.find((other) => other.entry.term === entry.term);
    if (known !== undefined) return known;
    const first = { entry, previousTerm };
    if (atIndex === undefined) this.#stored.set(entry.index, [first]);
    else atIndex.push(first);
    return first;
  }

  /** State machine safety: nobody applies another entry at an index. */
  applies(raftId: number, entry: Entry): void {
    const known = this.#committed.get(entry.index);
    const before = this.#committed.get(entry.index - 1);
    if (before === undefined) throw new PropertyViolated(`${raftId} applies entry ${entry.index} before anybody applied ${entry.index - 1}`);
    const digest = chain(before.digest, entry);
    if (known !== undefined) {
      if (known.digest !== digest) throw new PropertyViolated(`state machine safety: ${raftId} applies another entry at ${entry.index} than somebody else`);
      return;
    }
    this.#committed.set(entry.index, { term: entry.term, digest, leaderTerm: this.#leaderTermMax });
    this.#committedMax = entry.index;
    this.counts.committed++;
    const command = decodeCommand(entry.data);
    if (command?.type !== "write") return;
    const other = this.#indexOfValue.get(command.value);
    if (other !== undefined) throw new PropertyViolated(`write ${command.value} is in the log twice, at ${other} and ${entry.index}`);
    this.#indexOfValue.set(command.value, entry.index);
  }

  /** A member's whole state, after a start, a snapshot or at the end. */
  holds(raftId: number, index: number, digest: number): void {
    const known = this.#committed.get(index);
    if (index > 0 && known?.digest !== digest) throw new PropertyViolated(`state machine safety: ${raftId} has another state at ${index} than the log gives`);
  }

  /** Durability of one member: it starts with what it had waited for, or with that and the write that its stop caught. */
  recovers(
    raftId: number,
    found: LogState | null,
    { promised, attempted, isResealing }: { readonly promised: LogState | null; readonly attempted: Attempt | null; readonly isResealing: boolean },
  ): void {
    if (promised === null) return;
    const more = (found?.sequence ?? 0) - promised.sequence;
    if (found !== null && isResealing && more > 0 && more <= RESEALING_WRITES && isKept(found, promised)) return;
    if (found !== null && found.sequence === promised.sequence && isKept(found, promised) && sameBytes(found.last.link, promised.last.link)) return;
    if (found !== null && attempted !== null && found.sequence === promised.sequence + 1 && isKept(found, attempted)) return;
    throw new PropertyViolated(`durability: ${raftId} starts with ${found === null ? "nothing" : describe(found)}, and had waited for ${describe(promised)}`);
  }

  /** A member that does not start says at which record it found what, and only when something happened to its disk. */
  refuses(raftId: number, refusal: ClusterError, damage: string | null): void {
    const { directory, key, index } = refusal.details;
    if (damage === null) throw new PropertyViolated(`durability: nothing happened to the disk of ${raftId}, and it does not start: ${refusal.message}`);
    if (refusal.code !== "failed_precondition" || !directory || !key || index === undefined)
      throw new PropertyViolated(`durability: ${raftId} does not start, and does not say which record is to blame: ${refusal.message}`);
    this.counts.refused++;
  }

  /** Who could not write its log vouches for nothing any more, until it is started again. */
  sends({ from, type, reject }: RaftMessage, logFailedAt: number | null, now: number): void {
    if (logFailedAt === null || logFailedAt >= now || reject || !VOUCHING.has(type)) return;
    throw new PropertyViolated(`durability: the log of ${from} could not be written in step ${logFailedAt}, and it sends a ${type}`);
  }

  /** It says what it cannot do. */
  stepsDown(raftId: number, cause: unknown): void {
    if (!isClusterError(cause) || !messageOf(cause).includes("cannot be"))
      throw new PropertyViolated(`the disk of ${raftId} fails, and all that it says is: ${messageOf(cause)}`);
    this.counts.diskFailures++;
  }

  acknowledged(value: number, index: number): void {
    this.counts.acknowledged++;
    this.#acknowledged.set(value, index);
  }

  /** Durability: every acknowledged write is in the log that all agree on. */
  finish(): void {
    for (const [value, index] of this.#acknowledged) {
      if (this.#indexOfValue.get(value) !== index || index > this.#committedMax)
        throw new PropertyViolated(`durability: the acknowledged write ${value} is lost`);
    }
  }
}

/** A write that is to be durable. */
export interface Attempt {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
  readonly last: { readonly index: number; readonly term: number };
}

/** The same write, and no less committed: that may be written later. */
function isKept(found: LogState, { term, vote, commit, last }: Attempt): boolean {
  return found.term === term && found.vote === vote && found.commit >= commit && found.last.index === last.index && found.last.term === last.term;
}

function describe({ sequence, term, vote, commit, last }: LogState): string {
  return `write ${sequence}, term ${term}, vote ${vote}, commit ${commit}, log up to ${last.index}`;
}
