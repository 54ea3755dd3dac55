import { integerBetween, type Random } from "../../src/base/random.js";
import type { RaftMessage } from "../../src/raft/message.js";
import type { SnapshotProgress } from "../../src/replica/snapshot-frames.js";
import type { Stream } from "./stream.js";

/** A snapshot on its way, and who waits for its end. */
export interface Transfer {
  readonly chunks: readonly Uint8Array[];
  /** What the chunks follow. */
  readonly after: SnapshotProgress;
  arrived(): void;
  failed(cause: unknown): void;
}

/** A message, or the beginning of a stream, on its way to an address. */
export type Envelope = Letter | Hello;

export interface Letter {
  readonly type: "letter";
  readonly stream: Stream;
  readonly message: RaftMessage;
  /** Of a snapshot message. */
  readonly transfer: Transfer | null;
  /** Never arrives, or a part of it; the sender of a snapshot notices. */
  readonly isLost: boolean;
}

/** The dialing end says who and where it is. */
export interface Hello {
  readonly type: "hello";
  readonly stream: Stream;
}

export interface NetworkFaults {
  readonly dropRate: number;
  readonly duplicateRate: number;
  /** Steps: each message takes 1 to this many, so the larger, the more they overtake each other. */
  readonly delayMax: number;
}

/** Steps until whoever could not connect tries again, at most. */
const REDIAL_STEPS_MAX = 10;
/** Steps until the accepting end of a stream notices that it is over, at most. */
const NOTICE_STEPS_MAX = 100;
/** Of an open stream, per step in which nothing passes it: that it is given up. */
const WEAR_RATE = 0.02;

/** A number for a direction between two members, whose ids are small. */
export function linkOf(from: number, to: number): number {
  return from * 1_000 + to;
}

/** Carries messages with delay, loss, duplication, reordering and partitions, on streams that break. */
export class SimulatedNetwork {
  faults: NetworkFaults;
  readonly #random: Random;
  /** For what is not a message. */
  readonly #streamRandom: Random;
  readonly #due = new Map<number, Envelope[]>();
  readonly #blocked = new Set<number>();
  /** Broken for a moment: until when, by link. */
  readonly #flapping = new Map<number, number>();
  readonly #open = new Set<Stream>();

  constructor(random: Random, streamRandom: Random, faults: NetworkFaults) {
    this.#random = random;
    this.#streamRandom = streamRandom;
    this.faults = faults;
  }

  /** `transfer` is of a snapshot message. */
  send(now: number, message: RaftMessage, { stream, transfer }: { readonly stream: Stream; readonly transfer: Transfer | null }): void {
    const { from, to, type } = message;
    const isLost = this.#isBlocked(now, from, to) || this.#random.next() < this.faults.dropRate;
    if (isLost && type !== "snapshot") return;
    const envelope: Letter = { type: "letter", stream, message, transfer, isLost };
    this.#schedule(now, envelope, this.#random);
    // A duplicate of a snapshot's stream cannot be: its end is reported once.
    if (!isLost && type !== "snapshot" && this.#random.next() < this.faults.duplicateRate) this.#schedule(now, envelope, this.#random);
  }

  /** Begins to open a stream to somebody who is there, unless the way is blocked. */
  dial(now: number, stream: Stream): void {
    if (this.isCut(now, stream.self.raftId, stream.peer.raftId)) this.redial(now, stream);
    else {
      stream.isDialing = true;
      this.#schedule(now, { type: "hello", stream }, this.#streamRandom);
    }
  }

  /** The other end cannot be had now. */
  redial(now: number, stream: Stream): void {
    stream.isDialing = false;
    stream.acceptor = null;
    this.#open.delete(stream);
    stream.dialAt = now + integerBetween(this.#streamRandom, 1, REDIAL_STEPS_MAX);
  }

  /** The accepting end has let it in. */
  opened(stream: Stream, acceptor: NonNullable<Stream["acceptor"]>): void {
    stream.isDialing = false;
    stream.acceptor = acceptor;
    this.#open.add(stream);
  }

  /** A stream ends. The end that accepted it notices sooner or later; the other one dials again. */
  hangUp(now: number, stream: Stream): void {
    stream.acceptor?.loses(stream, integerBetween(this.#streamRandom, 1, NOTICE_STEPS_MAX));
    this.redial(now, stream);
  }

  /** Streams that nothing passes break, some soon, some late. */
  wear(now: number): void {
    if (!this.isBroken) return;
    for (const stream of this.#open) {
      if (this.isCut(now, stream.self.raftId, stream.peer.raftId) && this.#streamRandom.next() < WEAR_RATE) this.hangUp(now, stream);
    }
  }

  /** The receiver does not look at its mail now: it stays there, and is neither lost nor doubled on the way. */
  postpone(now: number, envelope: Envelope): void {
    this.#schedule(now, envelope, envelope.type === "hello" ? this.#streamRandom : this.#random);
  }

  /** What arrives now, in random order. */
  take(now: number): readonly Envelope[] {
    const due = this.#due.get(now) ?? [];
    this.#due.delete(now);
    for (let last = due.length - 1; last > 0; last--) {
      const other = integerBetween(this.#random, 0, last);
      [due[last], due[other]] = [due[other]!, due[last]!];
    }
    return due;
  }

  block(from: number, to: number): void {
    this.#blocked.add(linkOf(from, to));
  }

  /** Breaks both directions between two members until this step. */
  flap(a: number, b: number, until: number): void {
    this.flapOneWay(a, b, until);
    this.flapOneWay(b, a, until);
  }

  flapOneWay(from: number, to: number, until: number): void {
    this.#flapping.set(linkOf(from, to), until);
    for (const stream of this.#open) if (stream.self.raftId === from && stream.peer.raftId === to) this.hangUp(until, stream);
  }

  get isBroken(): boolean {
    return this.#blocked.size > 0;
  }

  heal(): void {
    this.#blocked.clear();
    this.#flapping.clear();
  }

  /** Whether one direction between two members is blocked. */
  isCut(now: number, a: number, b: number): boolean {
    return this.#isBlocked(now, a, b) || this.#isBlocked(now, b, a);
  }

  #isBlocked(now: number, from: number, to: number): boolean {
    const link = linkOf(from, to);
    return this.#blocked.has(link) || (this.#flapping.get(link) ?? 0) > now;
  }

  #schedule(now: number, envelope: Envelope, random: Random): void {
    const at = now + integerBetween(random, 1, this.faults.delayMax);
    const due = this.#due.get(at);
    if (due === undefined) this.#due.set(at, [envelope]);
    else due.push(envelope);
  }
}
