import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { unlessAborted } from "../base/abort.js";
import { ClusterError } from "../base/errors.js";
import type { Codec } from "../wire/codec.js";
import type { Caller } from "./caller.js";
import { encodeMessage, type Method, passBytes, type ReplyOf, type RequestOf, type ServiceTable } from "./method.js";
import { toStatus } from "./status.js";
import { writeMessages } from "./stream.js";

export interface CallContext {
  readonly caller: Caller;
  /** Aborts when the caller goes away or cancels, and when the server stops. */
  readonly signal: AbortSignal;
}

/** How each kind of method is served. What a handler throws becomes the status of the call. */
export type Handler<M extends Method> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => AsyncIterable<ReplyOf<M>>
    : (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => Promise<ReplyOf<M>>
  : M["responseStream"] extends true
    ? (request: RequestOf<M>, context: CallContext) => AsyncIterable<ReplyOf<M>>
    : (request: RequestOf<M>, context: CallContext) => Promise<ReplyOf<M>>;

export type ServiceHandlers<T extends ServiceTable> = { readonly [K in keyof T]: Handler<T[K]> };

/** A call as the server tracks it: its context, and a way to end it from outside. */
export interface ActiveCall extends CallContext {
  abort(reason: unknown): void;
  finish(): void;
}

/** A handler of any kind; `serve` gives it what its method's kind says. */
export type AnyHandler = (input: unknown, context: CallContext) => unknown;

interface Cancellable {
  readonly metadata: Metadata;
  on(event: "cancelled", listener: () => void): unknown;
}

/** Turns a typed handler into what gRPC calls. `begin` gives the context of a call that the interceptor let through. */
export function serve(method: Method, handler: AnyHandler, begin: (metadata: Metadata) => ActiveCall): UntypedHandleCall {
  const start = (call: Cancellable): ActiveCall => {
    const active = begin(call.metadata);
    call.on("cancelled", () => active.abort(new ClusterError("aborted", `${method.path} was cancelled by its caller`)));
    return active;
  };
  if (method.requestStream && method.responseStream) {
    return (call: ServerDuplexStream<Buffer, Buffer>) =>
      void reply(call, start(call), method, (active) => handler(requestsOf(call, method.request, active), active));
  }
  if (method.requestStream) {
    return (call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      call.sendMetadata(new Metadata());
      void answer(callback, start(call), method, (active) => handler(requestsOf(call, method.request, active), active));
    };
  }
  if (method.responseStream) {
    return (call: ServerWritableStream<Buffer, Buffer>) =>
      void reply(call, start(call), method, (active) => handler(method.request.decode(call.request), active));
  }
  return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
    void answer(callback, start(call), method, (active) => handler(method.request.decode(call.request), active));
}

/** What gRPC needs to know of a method. */
export const definitionOf = (method: Method) => ({
  path: method.path,
  requestStream: method.requestStream,
  responseStream: method.responseStream,
  requestSerialize: passBytes,
  requestDeserialize: passBytes,
  responseSerialize: passBytes,
  responseDeserialize: passBytes,
});

async function answer(callback: sendUnaryData<Buffer>, active: ActiveCall, method: Method, run: (active: ActiveCall) => unknown): Promise<void> {
  try {
    callback(null, encodeMessage(method.response, await unlessAborted(active.signal, Promise.resolve(run(active)))));
  } catch (cause) {
    callback(toStatus(cause));
  } finally {
    active.finish();
  }
}

/** The headers go out at once: they tell the caller that it was let in. */
async function reply(
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  active: ActiveCall,
  method: Method,
  run: (active: ActiveCall) => unknown,
): Promise<void> {
  try {
    call.sendMetadata(new Metadata());
    await writeMessages(call, run(active) as AsyncIterable<unknown>, method.response, active.signal);
    call.end();
  } catch (cause) {
    call.emit("error", toStatus(cause));
  } finally {
    active.finish();
  }
}

/**
 * Leaving the iteration early leaves the other direction of the call alone. When the caller cancels, HTTP/2 in Node.js ends the requests first and
 * resets the call after, so the end alone does not prove that all was said: a stream that must be complete says so in a message.
 */
async function* requestsOf<T>(
  call: ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  codec: Codec<T>,
  context: CallContext,
): AsyncGenerator<T, void, undefined> {
  try {
    for await (const bytes of call.iterator({ destroyOnReturn: false })) yield codec.decode(bytes as Buffer);
  } catch (cause) {
    throw context.signal.aborted ? context.signal.reason : cause;
  }
}
