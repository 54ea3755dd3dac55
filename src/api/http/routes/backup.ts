import type { FastifyInstance } from "fastify";
import { requireJsonBody, streamBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { badRequest } from "../errors.js";
import { Fields } from "../convert/fields.js";
import { parseJson } from "../json.js";
import { sendJson } from "../answer.js";
import { sendStream } from "../stream.js";

/** The first line of a restore: options, not the file. */
const OPTIONS_BYTES_MAX = 64 * 1024;

/** Not Docker's: the whole state of the cluster as one encrypted file, and back on a host that is in no swarm. */
export function backupRoutes(app: FastifyInstance, context: RouteContext): void {
  const { swarm } = context.backend;

  /** Body `{"Passphrase": …}`; answers with the file. */
  app.post("/swarm/backup", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    const passphrase = fields.string("Passphrase");
    fields.end();
    const chunks = await swarm.backup(passphrase);
    await sendStream(context, request, reply, { contentType: "application/octet-stream" }, async (writer, signal) => {
      for await (const chunk of chunks) {
        signal.throwIfAborted();
        await writer.write(chunk);
      }
    });
    return reply;
  });

  /** Body: a line of JSON, `{"Passphrase": …, "ListenAddr": …, "AdvertiseAddr": …, "SigningCAKey": …}`, then the file. Answers with the id of the node that this host becomes. */
  app.post("/swarm/restore", async (request, reply) => {
    const body = streamBody(request)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const { line, rest } = await firstLine(body);
    const fields = new Fields(parseJson(line), "");
    const options = {
      passphrase: fields.string("Passphrase"),
      listenAddress: fields.string("ListenAddr"),
      advertiseAddress: fields.string("AdvertiseAddr"),
      signingKey: fields.string("SigningCAKey"),
    };
    fields.end();
    return sendJson(reply, await swarm.restore({ ...options, chunks: chunksOf(rest, body) }));
  });
}

async function firstLine(body: AsyncIterator<Buffer>): Promise<{ readonly line: string; readonly rest: Buffer }> {
  let read = Buffer.alloc(0);
  for (;;) {
    const end = read.indexOf("\n");
    if (end >= 0) return { line: read.subarray(0, end).toString(), rest: read.subarray(end + 1) };
    const next = read.length > OPTIONS_BYTES_MAX ? null : await body.next();
    if (next === null || next.done === true) throw badRequest("the body must begin with a line of JSON: the options of the restore");
    read = Buffer.concat([read, next.value]);
  }
}

async function* chunksOf(first: Buffer, body: AsyncIterator<Buffer>): AsyncGenerator<Uint8Array, void, undefined> {
  yield first;
  for (let next = await body.next(); next.done !== true; next = await body.next()) yield next.value;
}
