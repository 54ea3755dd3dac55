import type { RaftMessage } from "../wire/generated/raft.js";

/** Fields beside the entries, roughly. */
const MESSAGE_OVERHEAD_BYTES = 64;
const ENTRY_OVERHEAD_BYTES = 16;

/**
 * Messages that wait for a peer's stream, in order. Bounded by number and bytes: when full the oldest go, which raft repeats if they still matter.
 * Invariant: `#bytes` is the sum of the sizes of `#messages`.
 */
export class RaftQueue {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #messages: { readonly message: RaftMessage; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(limits: { readonly messagesMax: number; readonly bytesMax: number }) {
    this.#messagesMax = limits.messagesMax;
    this.#bytesMax = limits.bytesMax;
  }

  get length(): number {
    return this.#messages.length;
  }

  push(message: RaftMessage): void {
    const bytes = sizeOf(message);
    this.#messages.push({ message, bytes });
    this.#bytes += bytes;
    this.trim(this.#messagesMax);
    while (this.#bytes > this.#bytesMax && this.#messages.length > 1) this.#dropOldest();
  }

  /** Keeps the newest ones. */
  trim(messagesMax: number): void {
    while (this.#messages.length > messagesMax) this.#dropOldest();
  }

  /** The oldest messages, at least one if there is any, as many as `bytesMax` holds. */
  take(bytesMax: number): readonly RaftMessage[] {
    let count = 0;
    let bytes = 0;
    for (const item of this.#messages) {
      if (count > 0 && bytes + item.bytes > bytesMax) break;
      bytes += item.bytes;
      count++;
    }
    this.#bytes -= bytes;
    return this.#messages.splice(0, count).map((item) => item.message);
  }

  #dropOldest(): void {
    this.#bytes -= this.#messages.shift()?.bytes ?? 0;
  }
}

function sizeOf(message: RaftMessage): number {
  let bytes = MESSAGE_OVERHEAD_BYTES;
  for (const entry of message.entries) bytes += entry.data.length + ENTRY_OVERHEAD_BYTES;
  return bytes;
}
