import type { Codec } from "../wire/codec.js";

/** One remote procedure, as `proto/generate.mjs` writes it into `src/wire/generated`. */
export interface Method<Request = unknown, Reply = unknown> {
  /** `/package.Service/Method`, as gRPC has it on the wire. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: Codec<Request>;
  readonly response: Codec<Reply>;
}

/** A generated service table: `DispatcherService`, `RaftService`, … */
export type ServiceTable = Readonly<Record<string, Method>>;

export type RequestOf<M extends Method> = M["request"] extends Codec<infer Request> ? Request : never;
export type ReplyOf<M extends Method> = M["response"] extends Codec<infer Reply> ? Reply : never;

export type Encoder<T> = Pick<Codec<T>, "encode">;

/** Streams want a Buffer; the codecs give one on Node.js, but promise only bytes. */
export function encodeMessage<T>(codec: Encoder<T>, message: T): Buffer {
  const bytes = codec.encode(message);
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Messages cross gRPC as bytes: encoding and decoding are ours, so that their errors are. */
export const passBytes = (bytes: Buffer): Buffer => bytes;
