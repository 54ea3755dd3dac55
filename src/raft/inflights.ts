import { assert } from "../base/assert.js";

export interface InflightLimits {
  readonly messagesMax: number;
  /** Of entry data; one message is always let out, whatever its size. */
  readonly bytesMax: number;
}

/** Appends that were sent to one follower and not yet acknowledged, by the index of their last entry: a sliding window of messages and bytes. */
export class Inflights {
  readonly #limits: InflightLimits;
  /** Invariant: ascending by index. */
  #appends: { readonly lastIndex: number; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.#appends.length >= this.#limits.messagesMax || this.#bytes >= this.#limits.bytesMax;
  }

  add(lastIndex: number, bytes: number): void {
    assert(!this.isFull, "an append is sent only while the window has room");
    this.#appends.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `index` was acknowledged. */
  freeUpTo(index: number): void {
    let count = 0;
    for (const { lastIndex, bytes } of this.#appends) {
      if (lastIndex > index) break;
      this.#bytes -= bytes;
      count++;
    }
    if (count > 0) this.#appends.splice(0, count);
  }

  clear(): void {
    this.#appends = [];
    this.#bytes = 0;
  }
}
