import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { ClusterError } from "../../base/errors.js";
import { HttpError } from "./errors.js";
import { parseJson } from "./json.js";

/** Largest JSON body that is read: a service with the largest spec that anybody sends stays far below. */
const JSON_BODY_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The body as JSON, whatever its Content-Type says (the docker CLI is not consistent). An empty body is `undefined`. Throws 400 for
 * malformed JSON and 413 for more than 8 MB.
 */
export async function readJsonBody(request: FastifyRequest): Promise<unknown> {
  const text = (await readBytes(request.raw, JSON_BODY_BYTES_MAX)).toString("utf8").trim();
  return text === "" ? undefined : parseJson(text);
}

/** By events, which cost a small body a fraction of what iterating it does. Stopping early leaves the connection alone: the answer goes out on it. */
function readBytes(raw: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    raw.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= bytesMax) chunks.push(chunk);
      else reject(new HttpError(413, `request body is larger than the limit of ${bytesMax / 1024 / 1024} MB`));
    });
    raw.on("end", () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)));
    raw.on("error", reject);
    raw.on("close", () => {
      if (!raw.complete) reject(clientWentAway());
    });
  });
}

/** Like readJsonBody, for routes that need one. */
export async function requireJsonBody(request: FastifyRequest): Promise<unknown> {
  const body = await readJsonBody(request);
  if (body === undefined) throw new HttpError(400, "invalid JSON: got an empty request body");
  return body;
}

/**
 * The body as it comes in, never held as a whole. Whoever reads it may destroy it, as stream pipelines do when they fail: the connection
 * stays, so that the answer can still say why. Fails with ClusterError `aborted` when the client goes away in the middle.
 */
export function streamBody(request: FastifyRequest): Readable {
  const body = new PassThrough();
  const { raw } = request;
  raw.once("close", () => {
    if (!raw.complete) body.destroy(clientWentAway());
  });
  raw.pipe(body);
  // Whoever waits for the body sees its failure; one who does not care any more must not crash the process.
  body.on("error", () => raw.unpipe(body));
  return body;
}

function clientWentAway(): ClusterError {
  return new ClusterError("aborted", "the client went away before it had sent everything");
}
