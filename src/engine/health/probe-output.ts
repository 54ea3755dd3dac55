/** What is kept of a test's output, in bytes (moby: daemon/health.go). */
const KEPT_BYTES = 4096;
/** Docker's frames: stream number, three zero bytes, length as 4 bytes big-endian, payload. */
const HEAD_BYTES = 8;

/** The beginning of what a program writes on both streams, in the order in which it came. Takes any amount. */
export class ProbeOutput {
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #isCut = false;
  #head = Buffer.alloc(0);
  /** Bytes that the frame begun still has. */
  #left = 0;

  /** The next bytes of the stream, cut anywhere. */
  push(data: Buffer): void {
    let rest = data;
    while (rest.length > 0) {
      if (this.#left === 0) rest = this.#readHead(rest);
      const part = rest.subarray(0, this.#left);
      this.#keep(part);
      this.#left -= part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Ends in "..." when there was more. */
  get text(): string {
    return Buffer.concat(this.#kept).toString("utf8") + (this.#isCut ? "..." : "");
  }

  #readHead(data: Buffer): Buffer {
    const missing = HEAD_BYTES - this.#head.length;
    this.#head = Buffer.concat([this.#head, data.subarray(0, missing)]);
    if (this.#head.length === HEAD_BYTES) {
      this.#left = this.#head.readUInt32BE(4);
      this.#head = Buffer.alloc(0);
    }
    return data.subarray(missing);
  }

  #keep(part: Buffer): void {
    const room = KEPT_BYTES - this.#keptBytes;
    if (part.length > room) this.#isCut = true;
    if (room <= 0 || part.length === 0) return;
    const kept = Buffer.from(part.subarray(0, room));
    this.#kept.push(kept);
    this.#keptBytes += kept.length;
  }
}
