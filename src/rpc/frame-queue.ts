/** Bytes that a frame may have, unless its one message has more. */
const FRAME_BYTES_MAX = 1024 * 1024;

/**
 * Encoded messages that wait to be sent, in order, and are taken in frames. One consumer. Bounded by whoever pushes. The consumer hears of messages in the next
 * turn of the event loop: a frame costs much more than a message, and what one turn brings shares it.
 */
export class FrameQueue {
  #messages: Uint8Array[] = [];
  #wake: () => void = () => undefined;
  #isWakeDue = false;

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  push(message: Uint8Array): void {
    this.#messages.push(message);
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    setImmediate(() => {
      this.#isWakeDue = false;
      this.#wake();
    });
  }

  /** The oldest messages, as many as a frame holds, at least one if there is any. */
  take(): readonly Uint8Array[] {
    let bytes = 0;
    const end = this.#messages.findIndex((message, index) => {
      bytes += message.length;
      return index > 0 && bytes > FRAME_BYTES_MAX;
    });
    if (end >= 0) return this.#messages.splice(0, end);
    const all = this.#messages;
    this.#messages = [];
    return all;
  }

  /** Resolves in the turn after the next `push`, or at the next `wake`. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Lets the consumer look again. */
  wake(): void {
    this.#wake();
  }
}
