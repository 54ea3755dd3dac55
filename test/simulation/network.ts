import { integerBetween, type Random } from "../../src/base/random.js";
import type { RaftMessage } from "../../src/raft/message.js";
import type { SnapshotProgress } from "../../src/replica/snapshot-frames.js";

/** A snapshot on its way, and who waits for its end. */
export interface Transfer {
  readonly chunks: readonly Uint8Array[];
  /** What the chunks follow. */
  readonly after: SnapshotProgress;
  arrived(): void;
  failed(cause: unknown): void;
}

export interface Envelope {
  readonly message: RaftMessage;
  /** Of a snapshot message. */
  readonly transfer: Transfer | null;
  /** Never arrives, or a part of it; the sender of a snapshot notices. */
  readonly isLost: boolean;
}

export interface NetworkFaults {
  readonly dropRate: number;
  readonly duplicateRate: number;
  /** Steps: each message takes 1 to this many, so the larger, the more they overtake each other. */
  readonly delayMax: number;
}

/** A number for a direction between two members, whose ids are small. */
export function linkOf(from: number, to: number): number {
  return from * 1_000 + to;
}

/** Carries messages with delay, loss, duplication, reordering and partitions. */
export class SimulatedNetwork {
  faults: NetworkFaults;
  readonly #random: Random;
  readonly #due = new Map<number, Envelope[]>();
  readonly #blocked = new Set<number>();
  /** Broken for a moment: until when, by link. */
  readonly #flapping = new Map<number, number>();

  constructor(random: Random, faults: NetworkFaults) {
    this.#random = random;
    this.faults = faults;
  }

  /** `transfer` is of a snapshot message. */
  send(now: number, message: RaftMessage, transfer: Transfer | null): void {
    const { from, to, type } = message;
    const link = linkOf(from, to);
    const isLost = this.#blocked.has(link) || (this.#flapping.get(link) ?? 0) > now || this.#random.next() < this.faults.dropRate;
    if (isLost && type !== "snapshot") return;
    const envelope = { message, transfer, isLost };
    this.#schedule(now, envelope);
    // A duplicate of a snapshot's stream cannot be: its end is reported once.
    if (!isLost && type !== "snapshot" && this.#random.next() < this.faults.duplicateRate) this.#schedule(now, envelope);
  }

  /** The receiver does not look at its mail now: it stays there, and is neither lost nor doubled on the way. */
  postpone(now: number, envelope: Envelope): void {
    this.#schedule(now, envelope);
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
  }

  get isBroken(): boolean {
    return this.#blocked.size > 0;
  }

  heal(): void {
    this.#blocked.clear();
    this.#flapping.clear();
  }

  #schedule(now: number, envelope: Envelope): void {
    const at = now + integerBetween(this.#random, 1, this.faults.delayMax);
    const due = this.#due.get(at);
    if (due === undefined) this.#due.set(at, [envelope]);
    else due.push(envelope);
  }
}
