import { once } from "node:events";
import type { FastifyReply, FastifyRequest } from "fastify";
import { AbortScope } from "../../base/abort.js";
import { messageOf } from "../../base/errors.js";
import type { RouteContext } from "./context.js";
import { stringifyJson } from "./json.js";

/** What a stream is written with, once its headers are out. */
export interface StreamWriter {
  /** Resolves when the client has taken it, or is gone. */
  write(chunk: Uint8Array | string): Promise<void>;
}

export interface StreamOptions {
  readonly contentType: string;
  /** How a failure after the headers reaches the client; without it the connection breaks, since the stream's end would look like that of a whole one. */
  readonly errorText?: (message: string) => Uint8Array | string;
}

/**
 * Answers with a stream whose headers are out at once. `produce` gets a signal that aborts when the client goes away or the server
 * closes; what it throws after that is nobody's concern.
 */
export async function sendStream(
  context: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  options: StreamOptions,
  produce: (writer: StreamWriter, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const raw = reply.raw;
  using gone = new AbortScope(context.closing);
  const onClose = () => gone.abort();
  raw.once("close", onClose);
  raw.on("error", (cause) => context.logger.debug({ err: cause, url: request.url }, "the client of a stream is gone"));
  const { socket } = raw;
  const { signal } = gone;
  reply.hijack();
  raw.writeHead(200, { "Content-Type": options.contentType });
  raw.flushHeaders();
  // Who went before anybody listened is not told of any more.
  if (raw.destroyed) gone.abort();
  const writer: StreamWriter = {
    async write(chunk) {
      if (!signal.aborted && !raw.write(chunk)) await once(raw, "drain", { signal }).catch(ignoreAbort);
    },
  };
  let isBroken = false;
  try {
    await produce(writer, signal);
  } catch (cause) {
    if (!signal.aborted) context.logger.warn({ err: cause, url: request.url }, "a stream ended early");
    isBroken = options.errorText === undefined;
    if (!signal.aborted && options.errorText !== undefined) raw.write(options.errorText(messageOf(cause)));
  } finally {
    raw.off("close", onClose);
    // What was written still goes out, and then no end. The headers promised to keep the connection, which a server that closes cannot either.
    if (isBroken) socket?.destroySoon();
    else raw.end(() => context.closing.aborted && socket?.destroySoon());
  }
}

/** Waiting for a client that is gone ends with its signal; anything else is a defect of the stream, which ends it. */
function ignoreAbort(cause: unknown): void {
  if (!(cause instanceof Error && cause.name === "AbortError")) throw cause;
}

/** A line of JSON progress, as image operations stream them. */
export function progressLine(line: Parameters<typeof stringifyJson>[0]): string {
  return `${stringifyJson(line)}\r\n`;
}

/** Failure after the headers are out. */
export function progressError(message: string): string {
  return progressLine({ errorDetail: { message }, error: message });
}
