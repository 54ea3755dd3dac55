import { ClusterError } from "../base/errors.js";

const LENGTH_BYTES = 4;

/** A record as it goes over a stream: its length, 4 bytes, big-endian, and what is in it. */
export function record(content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + content.length);
  bytes.writeUInt32BE(content.length, 0);
  bytes.set(content, LENGTH_BYTES);
  return bytes;
}

/** Cuts what arrives into records again. A record that is not whole is kept in pieces, and put together once. */
export class RecordReader {
  readonly #take: (content: Buffer) => void;
  #bytesMax: number;
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  #awaitedBytes = LENGTH_BYTES;

  /** `take` is called for each record within `push`. */
  constructor(bytesMax: number, take: (content: Buffer) => void) {
    this.#bytesMax = bytesMax;
    this.#take = take;
  }

  /** What a record may have from the next one on. */
  set bytesMax(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Throws ClusterError `out_of_range` for a record that is too large, before it is read, and what `take` throws. Not to be used after that. */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#pieces.length > 0) {
      this.#pieces.push(chunk);
      this.#piecesBytes += chunk.length;
      if (this.#piecesBytes < this.#awaitedBytes) return;
      bytes = Buffer.concat(this.#pieces, this.#piecesBytes);
      this.#pieces = [];
    }
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(at);
      if (length > this.#bytesMax) throw new ClusterError("out_of_range", `a record of ${length} bytes, where ${this.#bytesMax} are the most`);
      if (bytes.length - at < LENGTH_BYTES + length) break;
      at += LENGTH_BYTES + length;
      this.#take(bytes.subarray(at - length, at));
    }
    if (at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    this.#awaitedBytes = LENGTH_BYTES + (rest.length < LENGTH_BYTES ? 0 : rest.readUInt32BE(0));
    this.#pieces = [rest];
    this.#piecesBytes = rest.length;
  }
}
