import type { FastifyInstance } from "fastify";
import { joinAttachment, openAttachment, writeLog } from "../attachment.js";
import type { ById, RouteContext } from "../context.js";
import { badRequest } from "../errors.js";
import { acceptHijack, beginRawStream, type HijackedRequest, rawClient, readHijackBody } from "../hijack.js";
import { joinStreams } from "../join-streams.js";
import { logContentType } from "../log-stream.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { apiMinorOf } from "../version.js";
import { NEEDS_WEBSOCKET_TEXT } from "../websocket/handshake.js";

/** Attaching to a container, for clients whose connection stays HTTP. */
export function attachRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

  /** The body is the program's input, unless it is the JSON that SDKs repeat their query in; the answer is its output. */
  app.post<ById>("/containers/:id/attach", async (request, reply) => {
    const { container, streams, hasLog, attachment } = openAttachment(context, request.params.id, new Query(request));
    const { raw } = reply;
    raw.once("close", () => attachment?.cancel());
    reply.hijack();
    beginRawStream(raw, logContentType(container.config.terminal.isTerminal, apiMinorOf(request.raw)));
    engine.tell("attach", container.config.id);
    if (hasLog) await writeLog(context, container, streams, raw);
    try {
      const program = await attachment?.stream;
      const hasInput = streams.stdin && !(request.headers["content-type"] ?? "").includes("json");
      const options = { hasInput, detachKeys: null, onDetach: () => undefined };
      if (program === undefined) raw.end();
      else await joinStreams(rawClient(raw, request.raw), program, options);
    } catch (cause) {
      context.logger.debug({ err: cause, container: container.config.id }, "an attachment came to nothing");
      raw.end();
    }
    return reply;
  });

  app.get<ById>("/containers/:id/attach/ws", async (request) => {
    findContainer(containers, request.params.id);
    throw badRequest(NEEDS_WEBSOCKET_TEXT);
  });
}

/** `POST /containers/{id}/attach` over a connection that becomes the container's streams. */
export async function attachHijacked(context: RouteContext, reference: string, { request, url, socket }: HijackedRequest): Promise<void> {
  await readHijackBody(request, socket);
  const opened = openAttachment(context, reference, Query.of(url.searchParams));
  acceptHijack(socket, logContentType(opened.container.config.terminal.isTerminal, apiMinorOf(request)));
  await joinAttachment(context, opened, socket);
}
