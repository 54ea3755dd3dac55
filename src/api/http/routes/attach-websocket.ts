import { joinAttachment, openAttachment } from "../attachment.js";
import type { RouteContext } from "../context.js";
import { type HijackedRequest, writeHead } from "../hijack.js";
import { Query } from "../query.js";
import { apiMinorOf } from "../version.js";
import { acceptWebSocket } from "../websocket/handshake.js";
import { PlainOutput } from "../websocket/plain-output.js";
import { WebSocketStream } from "../websocket/websocket-stream.js";

/** From this version on output goes out as it is: text would have to be UTF-8. */
const BINARY_SINCE = 28;

/** `GET /containers/{id}/attach/ws`: what `attach` does, for pages in browsers. Output and errors come in one stream, as a terminal shows them. */
export async function attachWebSocket(context: RouteContext, reference: string, { request, url, socket }: HijackedRequest): Promise<void> {
  const answer = acceptWebSocket(request, socket);
  const opened = openAttachment(context, reference, Query.of(url.searchParams));
  writeHead(socket, "101 Switching Protocols", answer);
  const plain = opened.container.config.terminal.isTerminal ? null : new PlainOutput();
  const decode = plain === null ? undefined : (chunk: Buffer) => plain.take(chunk);
  await joinAttachment(context, opened, new WebSocketStream(socket, { isText: apiMinorOf(request) < BINARY_SINCE, decode }));
}
