import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { openAttachment, writeLog } from "../attachment.js";
import type { RouteContext } from "../context.js";
import { writeHead } from "../hijack.js";
import { joinStreams } from "../join-streams.js";
import { Query } from "../query.js";
import { apiMinorOf } from "../version.js";
import { acceptWebSocket } from "../websocket/handshake.js";
import { PlainOutput } from "../websocket/plain-output.js";
import { WebSocketStream } from "../websocket/websocket-stream.js";

/** From this version on output goes out as it is: text would have to be UTF-8. */
const BINARY_SINCE = 28;

export interface WebSocketAttach {
  readonly reference: string;
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly socket: Duplex;
}

/** `GET /containers/{id}/attach/ws`: what `attach` does, for pages in browsers. Output and errors come in one stream, as a terminal shows them. */
export async function attachWebSocket(context: RouteContext, { reference, request, url, socket }: WebSocketAttach): Promise<void> {
  const { engine } = context.backend;
  const query = Query.of(url.searchParams);
  const answer = acceptWebSocket(request, socket);
  const { container, streams, detachKeys, attachment } = openAttachment(context, reference, query);
  const { isTerminal } = container.config.terminal;
  const { id } = container.config;
  writeHead(socket, "101 Switching Protocols", answer);
  engine.tell("attach", id);
  const plain = isTerminal ? null : new PlainOutput();
  const client = new WebSocketStream(socket, { isText: apiMinorOf(request) < BINARY_SINCE, decode: plain === null ? undefined : (chunk) => plain.take(chunk) });
  client.once("close", () => attachment?.cancel());
  if (query.flag("logs")) await writeLog(context, container, streams, client);
  if (attachment === null) {
    client.end();
    return;
  }
  try {
    const onDetach = () => engine.tell("detach", id);
    await joinStreams(client, await attachment.stream, { hasInput: streams.stdin, detachKeys: isTerminal ? detachKeys : null, onDetach });
  } catch (cause) {
    // It did not start, or is gone: who started or removed it was told why.
    context.logger.debug({ err: cause, container: id }, "an attachment came to nothing");
    client.end();
  }
}
