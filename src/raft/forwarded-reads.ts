import { integerBetween, type Random } from "../base/random.js";

/** Reads that may wait on one member. */
const WAITING_MAX = 100_000;

/**
 * Reads of a member that does not lead. One request is under way at a time, for all reads that waited when it was made; it is
 * repeated until it is answered, so a lost message costs time only.
 */
export class ForwardedReads {
  #waiting: number[] = [];
  #underWay: { readonly token: number; readonly contexts: readonly number[] } | null = null;
  /** Begins anywhere, so that an answer to a request of before a restart matches none of after it. */
  #lastToken: number;

  constructor(random: Random) {
    this.#lastToken = integerBetween(random, 1, 2 ** 52);
  }

  /** No more should be added: the callers that wait are beyond help. */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  add(context: number): void {
    this.#waiting.push(context);
  }

  /** The token of a new request, or null when one is under way or nothing waits. */
  begin(): number | null {
    if (this.#underWay !== null || this.#waiting.length === 0) return null;
    this.#underWay = { token: ++this.#lastToken, contexts: this.#waiting };
    this.#waiting = [];
    return this.#lastToken;
  }

  /** The token of the request under way, to be repeated; null when there is none. */
  get token(): number | null {
    return this.#underWay?.token ?? null;
  }

  /** The contexts that the request answered; none when the answer is an old one. */
  settle(token: number): readonly number[] {
    if (this.#underWay?.token !== token) return [];
    const { contexts } = this.#underWay;
    this.#underWay = null;
    return contexts;
  }

  /** Everything unanswered, when this member becomes the leader itself. */
  drain(): readonly number[] {
    const unanswered = [...(this.#underWay?.contexts ?? []), ...this.#waiting];
    this.#underWay = null;
    this.#waiting = [];
    return unanswered;
  }
}
