/** Bytes that come in pieces of any size, taken in the sizes that the reader wants. */
export class ByteStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Resolves with so many bytes: fewer only at the end. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#bytes < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#waiting.push(next.value);
      this.#bytes += next.value.length;
    }
    const all = this.#waiting.length === 1 ? (this.#waiting[0] ?? new Uint8Array(0)) : Buffer.concat(this.#waiting);
    const taken = all.subarray(0, length);
    const rest = all.subarray(taken.length);
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return taken;
  }
}
