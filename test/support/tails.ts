import { type Tail, TailFile, type TailOpener } from "../../src/replica/tail-file.js";

/** Opens real tail files whose writes go through a test. */
export function tailsWriting(write: (tail: Tail, sequence: number, sealed: Uint8Array) => Promise<void>): TailOpener {
  return async (path, options) => {
    const tail = await TailFile.open(path, options);
    if (tail === null) return null;
    return {
      sealedBytesMax: tail.sealedBytesMax,
      hasRoomFor: (sealedBytes) => tail.hasRoomFor(sealedBytes),
      write: (sequence, sealed) => write(tail, sequence, sealed),
      release: (sequence) => tail.release(sequence),
      records: () => tail.records(),
      resumeAfter: (record) => tail.resumeAfter(record),
      [Symbol.asyncDispose]: () => tail[Symbol.asyncDispose](),
    };
  };
}
