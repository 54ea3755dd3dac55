import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ImportOptions } from "../../runtime/image-store.js";
import { streamBody } from "./body.js";
import type { RouteContext } from "./context.js";
import { progressToDocker } from "./convert/transfer.js";
import { withTag } from "./image-path.js";
import { streamProgress } from "./progress-stream.js";
import type { Query } from "./query.js";
import { progressError, progressLine, sendStream } from "./stream.js";

/** Progress is told each time that so much has come. */
const REPORT_BYTES = 512 * 1024;

/** An image of a root file system, of the request's body (`fromSrc=-`) or from a web server. What goes wrong before there is something to tell is an answer of its own. */
export async function importImage(context: RouteContext, request: FastifyRequest, reply: FastifyReply, query: Query): Promise<undefined> {
  const source = query.text("fromSrc");
  const options = importOptionsOf(query, source);
  if (source !== "-") return await importUrl(context, request, reply, { source, options });
  const image = await context.backend.images.import(streamBody(request), options);
  await sendStream(context, request, reply, { contentType: "application/json", errorText: progressError }, (writer) =>
    writer.write(progressLine({ status: image.id })),
  );
  return undefined;
}

async function importUrl(
  context: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { source, options }: { readonly source: string; readonly options: ImportOptions },
): Promise<undefined> {
  const { images, transfer } = context.backend;
  return await streamProgress(context, request, reply, async (emit, signal) => {
    const { stream, sizeBytes } = await transfer.open(source, { signal });
    emit({ status: `Downloading from ${withoutPassword(source)}` });
    const counted = counting((currentBytes) => {
      emit(progressToDocker({ status: "Importing", id: "", currentBytes, totalBytes: sizeBytes ?? currentBytes }), "importing");
    });
    // When either side fails, so does the other.
    const importing = images.import(counted, options).finally(() => counted.destroy());
    const [moved, image] = await Promise.allSettled([pipeline(stream, counted), importing]);
    if (image.status === "rejected") throw moved.status === "rejected" && !isPremature(moved.reason) ? moved.reason : image.reason;
    emit({ status: image.value.id });
  });
}

function importOptionsOf(query: Query, source: string): ImportOptions {
  const changes = query.all("changes").flatMap((change) => change.split("\n"));
  return {
    reference: withTag(query.text("repo"), query.text("tag")),
    message: query.text("message") || `Imported from ${withoutPassword(source)}`,
    changes: changes.filter((change) => change.trim() !== ""),
    platform: query.text("platform"),
  };
}

function counting(report: (currentBytes: number) => void): Transform {
  let [currentBytes, reportedBytes] = [0, 0];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      currentBytes += chunk.length;
      if (currentBytes - reportedBytes >= REPORT_BYTES) {
        reportedBytes = currentBytes;
        report(currentBytes);
      }
      done(null, chunk);
    },
  });
}

/** The image store gave up, and the download only for that. */
function isPremature(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && (cause.code === "ERR_STREAM_PREMATURE_CLOSE" || cause.code === "ABORT_ERR");
}

function withoutPassword(source: string): string {
  return source.replace(/\/\/[^/@]*@/, "//");
}
