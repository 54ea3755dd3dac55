import type { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RouteContext } from "./context.js";
import { sendStream } from "./stream.js";

const TAR_TYPE = "application/x-tar";

/** Answers with an archive. One that is not whole ends with a broken connection. */
export async function sendArchive(context: RouteContext, request: FastifyRequest, reply: FastifyReply, archive: Readable): Promise<undefined> {
  await sendStream(context, request, reply, { contentType: TAR_TYPE }, async (writer, signal) => {
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      await writer.write(chunk);
    }
  });
  return undefined;
}
