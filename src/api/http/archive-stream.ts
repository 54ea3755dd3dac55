import type { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { RouteContext } from "./context.js";
import { sendStream } from "./stream.js";

const TAR_TYPE = "application/x-tar";

/** Answers with an archive. One that fails in the middle breaks the connection: its end would look like that of a whole one. */
export async function sendArchive(context: RouteContext, request: FastifyRequest, reply: FastifyReply, archive: Readable): Promise<undefined> {
  await sendStream(context, request, reply, { contentType: TAR_TYPE }, async (writer, signal) => {
    try {
      for await (const chunk of archive as AsyncIterable<Buffer>) {
        if (signal.aborted) break;
        await writer.write(chunk);
      }
    } catch (cause) {
      reply.raw.destroy();
      throw cause;
    }
  });
  return undefined;
}
