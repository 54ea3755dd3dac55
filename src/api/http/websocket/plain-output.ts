const HEAD_BYTES = 8;

/** Takes the heads of frames out of a multiplexed stream (swarm-surface 2.2), for clients that want plain output. */
export class PlainOutput {
  #head = Buffer.alloc(0);
  #leftBytes = 0;

  take(chunk: Buffer): readonly Buffer[] {
    const parts: Buffer[] = [];
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#leftBytes > 0) {
        const part = rest.subarray(0, this.#leftBytes);
        parts.push(part);
        this.#leftBytes -= part.length;
        rest = rest.subarray(part.length);
        continue;
      }
      const missing = HEAD_BYTES - this.#head.length;
      this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#head.length < HEAD_BYTES) return parts;
      this.#leftBytes = this.#head.readUInt32BE(4);
      this.#head = Buffer.alloc(0);
    }
    return parts;
  }
}
