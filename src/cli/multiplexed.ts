import type { Readable } from "node:stream";

export const STREAM = { stdin: 0, stdout: 1, stderr: 2, systemError: 3 } as const;

export interface Frame {
  /** One of STREAM. */
  readonly stream: number;
  readonly payload: Buffer;
}

const HEADER_BYTES = 8;

/** The frames of a multiplexed stream (swarm-surface 2.2). What breaks off in the middle of a frame is left out. */
export async function* framesOf(stream: Readable): AsyncGenerator<Frame> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= HEADER_BYTES && held.length >= HEADER_BYTES + held.readUInt32BE(4)) {
      const end = HEADER_BYTES + held.readUInt32BE(4);
      yield { stream: held[0] ?? STREAM.stdout, payload: held.subarray(HEADER_BYTES, end) };
      held = held.subarray(end);
    }
  }
}
