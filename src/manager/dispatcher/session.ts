import { newId } from "../../base/ids.js";
import { ClusterError } from "../../base/errors.js";
import type { Clock } from "../../base/clock.js";
import { Wakeable } from "./wakeable.js";

/** Heartbeats that may be missed before a node is DOWN (architecture, section 3). */
export const MISSED_HEARTBEATS_MAX = 3;

/** One node's registration. Ends when it is replaced, when its node is silent or removed, and with the dispatcher. */
export class Session {
  readonly id = newId();
  readonly nodeId: string;
  /** Wakes the session's stream: its node, the managers or the root certificate may have changed. */
  readonly news = new Wakeable();
  readonly #clock: Clock;
  readonly #isWaiting: () => boolean;
  readonly #onSilence: () => void;
  readonly #ended = new AbortController();
  #lastHeardMs: number;
  /** Follows the period that the node was told last. */
  #patienceMs: number;
  #cancelCheck: () => void = () => undefined;

  /** Calls `onSilence` once when the node was not heard for three of its periods. While `isWaiting`, it is this manager that owes the node an answer. */
  constructor(options: {
    readonly nodeId: string;
    readonly clock: Clock;
    readonly periodMs: number;
    readonly isWaiting: () => boolean;
    readonly onSilence: () => void;
  }) {
    this.nodeId = options.nodeId;
    this.#clock = options.clock;
    this.#isWaiting = options.isWaiting;
    this.#onSilence = options.onSilence;
    this.#lastHeardMs = options.clock.monotonic();
    this.#patienceMs = MISSED_HEARTBEATS_MAX * options.periodMs;
    this.#checkIn(this.#patienceMs);
  }

  /** Aborts with the ClusterError that the session's streams end with. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** The node was heard, and is told to be heard again within `periodMs`. */
  heard(periodMs: number): void {
    this.#lastHeardMs = this.#clock.monotonic();
    const patienceMs = MISSED_HEARTBEATS_MAX * periodMs;
    const isShorter = patienceMs < this.#patienceMs;
    this.#patienceMs = patienceMs;
    if (isShorter) this.#checkIn(patienceMs);
  }

  /** The cluster has another period, and the node is told: when it is shorter, the node has its time from now on, and not from when it was due before. */
  expectWithin(periodMs: number): void {
    if (MISSED_HEARTBEATS_MAX * periodMs < this.#patienceMs) this.heard(periodMs);
  }

  /** One timer at a time, set anew only when it fires: a heartbeat costs no timer. */
  #checkIn(delayMs: number): void {
    const dueMs = this.#clock.monotonic() + delayMs;
    this.#cancelCheck();
    this.#cancelCheck = this.#clock.after(delayMs, () => this.#check(dueMs));
  }

  #check(dueMs: number): void {
    const nowMs = this.#clock.monotonic();
    if (this.#isWaiting() || wasStalled(this.#clock, dueMs, this.#patienceMs)) this.#lastHeardMs = nowMs;
    const leftMs = this.#lastHeardMs + this.#patienceMs - nowMs;
    if (leftMs <= 0) this.#onSilence();
    else this.#checkIn(leftMs);
  }

  end(reason: ClusterError): void {
    this.#cancelCheck();
    this.#ended.abort(reason);
  }
}

/** A timer of `patienceMs` that fires late says that this process was stalled and may have heard nobody: nodes get their time again. */
export function wasStalled(clock: Clock, dueMs: number, patienceMs: number): boolean {
  return clock.monotonic() - dueMs > patienceMs / (2 * MISSED_HEARTBEATS_MAX);
}

/** The refusal of a session that this leader does not know: the node registers again. */
export function sessionInvalid(): ClusterError {
  return new ClusterError("invalid_argument", "session invalid: the node must register again");
}

/** The refusal of a node without an object in the store: for good. */
export function nodeRemoved(nodeId: string): ClusterError {
  return new ClusterError("permission_denied", `node ${nodeId} is not part of the cluster: it was removed`);
}
