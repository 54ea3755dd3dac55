import type { CallOptions as GrpcCallOptions, ClientReadableStream } from "@grpc/grpc-js";
import { onAbort } from "../base/abort.js";
import { systemClock } from "../base/clock.js";
import type { Codec } from "../wire/codec.js";
import type { Connection } from "./connection.js";
import { encodeMessage, type Method, passBytes, type ReplyOf, type RequestOf, type ServiceTable } from "./method.js";
import { fromServiceError } from "./status.js";
import { writeMessages } from "./stream.js";

export interface CallOptions {
  /** Cancels the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Time for the whole call. Default 20 s for a call with one reply and one request, none for streams. */
  readonly timeoutMs?: number;
  /** Of a streaming call: the server has authorised it and begun to serve it. Nothing of ours was read before. */
  readonly onAccepted?: () => void;
}

/** How each kind of method is called. All throw ClusterError: what the server threw, or `unavailable` with the address. */
export type ClientMethod<M extends Method> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => AsyncGenerator<ReplyOf<M>, void, undefined>
    : (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => Promise<ReplyOf<M>>
  : M["responseStream"] extends true
    ? (request: RequestOf<M>, options?: CallOptions) => AsyncGenerator<ReplyOf<M>, void, undefined>
    : (request: RequestOf<M>, options?: CallOptions) => Promise<ReplyOf<M>>;

export type ServiceClient<T extends ServiceTable> = { readonly [K in keyof T]: ClientMethod<T[K]> };

const UNARY_TIMEOUT_MS = 20_000;

/**
 * Typed methods of a service on a connection. Streams of replies start when they are first read, and end the call when they are left;
 * streams of requests are read no faster than the server takes them. An error may overtake replies that were not read yet; a proper end never does.
 */
export function createClient<T extends ServiceTable>(connection: Connection, table: T): ServiceClient<T>;
export function createClient(connection: Connection, table: ServiceTable): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(table).map(([name, method]) => [name, methodOf(connection, method)]));
}

function methodOf(connection: Connection, method: Method): unknown {
  if (method.requestStream && method.responseStream)
    return (requests: AsyncIterable<unknown>, options?: CallOptions) => bidi(connection, method, requests, options);
  if (method.requestStream) return (requests: AsyncIterable<unknown>, options?: CallOptions) => clientStream(connection, method, requests, options);
  if (method.responseStream) return (request: unknown, options?: CallOptions) => serverStream(connection, method, request, options);
  return (request: unknown, options?: CallOptions) => unary(connection, method, request, options);
}

async function unary(connection: Connection, method: Method, request: unknown, options: CallOptions = {}): Promise<unknown> {
  const client = await connection.ready(options.signal);
  return new Promise((resolve, reject) => {
    const settle = settler(connection, method, options, resolve, reject, () => detach());
    const call = client.makeUnaryRequest(
      method.path,
      passBytes,
      passBytes,
      encodeMessage(method.request, request),
      connection.metadata(),
      grpcOptions(options, UNARY_TIMEOUT_MS),
      settle,
    );
    const detach = onAbort(options.signal, () => call.cancel());
  });
}

async function clientStream(connection: Connection, method: Method, requests: AsyncIterable<unknown>, options: CallOptions = {}): Promise<unknown> {
  const client = await connection.ready(options.signal);
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    const settle = settler(connection, method, options, resolve, reject, () => {
      detach();
      ended.abort();
    });
    const call = client.makeClientStreamRequest(method.path, passBytes, passBytes, connection.metadata(), grpcOptions(options), settle);
    call.on("error", ignoreLateError);
    if (options.onAccepted !== undefined) call.on("metadata", options.onAccepted);
    const detach = onAbort(options.signal, () => call.cancel());
    writeMessages(call, requests, method.request, ended.signal).then(
      () => call.end(),
      (cause: unknown) => {
        if (ended.signal.aborted) return;
        reject(cause);
        call.cancel();
      },
    );
  });
}

async function* serverStream(connection: Connection, method: Method, request: unknown, options: CallOptions = {}): AsyncGenerator<unknown, void, undefined> {
  const client = await connection.ready(options.signal);
  const call = client.makeServerStreamRequest(
    method.path,
    passBytes,
    passBytes,
    encodeMessage(method.request, request),
    connection.metadata(),
    grpcOptions(options),
  );
  yield* repliesOf(call, method.response, connection, options);
}

async function* bidi(
  connection: Connection,
  method: Method,
  requests: AsyncIterable<unknown>,
  options: CallOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  const client = await connection.ready(options.signal);
  const call = client.makeBidiStreamRequest(method.path, passBytes, passBytes, connection.metadata(), grpcOptions(options));
  const ended = new AbortController();
  const sourceFailures: unknown[] = [];
  writeMessages(call, requests, method.request, ended.signal).then(
    () => call.end(),
    (cause: unknown) => {
      if (ended.signal.aborted) return;
      sourceFailures.push(cause);
      call.cancel();
    },
  );
  try {
    yield* repliesOf(call, method.response, connection, options);
  } catch (cause) {
    throw sourceFailures.length > 0 ? sourceFailures[0] : cause;
  } finally {
    ended.abort();
  }
}

async function* repliesOf<T>(
  call: ClientReadableStream<Buffer>,
  codec: Codec<T>,
  connection: Connection,
  options: CallOptions,
): AsyncGenerator<T, void, undefined> {
  call.on("error", ignoreLateError);
  if (options.onAccepted !== undefined) call.on("metadata", options.onAccepted);
  const detach = onAbort(options.signal, () => call.cancel());
  try {
    for await (const bytes of call) yield codec.decode(bytes as Buffer);
  } catch (cause) {
    throw options.signal?.aborted === true ? options.signal.reason : fromServiceError(cause, connection.address);
  } finally {
    detach();
    call.cancel();
  }
}

/** The iteration reports errors; those that gRPC emits after it was left concern nobody, and would end the process if nobody listened. */
function ignoreLateError(): void {}

/** The callback of a call with one reply. */
function settler(
  connection: Connection,
  method: Method,
  options: CallOptions,
  resolve: (reply: unknown) => void,
  reject: (cause: unknown) => void,
  onSettled: () => void,
): (error: unknown, reply?: Buffer) => void {
  return (error, reply) => {
    onSettled();
    try {
      if (reply === undefined) reject(options.signal?.aborted === true ? options.signal.reason : fromServiceError(error, connection.address));
      else resolve(method.response.decode(reply));
    } catch (cause) {
      reject(cause);
    }
  };
}

function grpcOptions(options: CallOptions, defaultTimeoutMs?: number): GrpcCallOptions {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  return timeoutMs === undefined ? {} : { deadline: systemClock.now() + timeoutMs };
}
