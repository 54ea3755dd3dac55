import type { FastifyInstance, FastifyRequest } from "fastify";
import { isClusterError } from "../../../base/errors.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { FileChange } from "../../../runtime/files/container-files.js";
import { sendEmpty, sendJson } from "../answer.js";
import { sendArchive } from "../archive-stream.js";
import { streamBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { statHeader } from "../convert/file-stat.js";
import { badRequest, notFound } from "../errors.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";

const STAT_HEADER = "X-Docker-Container-Path-Stat";
const KINDS: Readonly<Record<FileChange["kind"], number>> = { changed: 0, added: 1, deleted: 2 };

/** `docker cp`, `diff` and `export`: files of containers, running or not. */
export function containerFileRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

  app.head<ById>("/containers/:id/archive", async (request, reply) => {
    const { config } = found(request);
    const stat = await containers.files.stat(config.id, pathOf(request)).catch(inContainer(request));
    return reply.header(STAT_HEADER, statHeader(stat)).code(200).send();
  });

  app.get<ById>("/containers/:id/archive", async (request, reply) => {
    const { config } = found(request);
    const path = pathOf(request);
    const { stat, archive } = await containers.files.read(config.id, path).catch(inContainer(request));
    engine.tell("archive-path", config.id, { path });
    reply.raw.setHeader(STAT_HEADER, statHeader(stat));
    return await sendArchive(context, request, reply, archive);
  });

  app.put<ById>("/containers/:id/archive", async (request, reply) => {
    const { config } = found(request);
    const query = new Query(request);
    const path = pathOf(request);
    const options = { keepsKinds: query.flag("noOverwriteDirNonDir"), belongsToUser: query.flag("copyUIDGID") };
    await containers.files.write(config.id, path, streamBody(request), options).catch(inContainer(request));
    engine.tell("extract-to-dir", config.id, { path });
    return sendEmpty(reply, 200);
  });

  app.get<ById>("/containers/:id/changes", async (request, reply) => {
    const changes = await containers.files.changes(found(request).config.id);
    return sendJson(reply, changes.length === 0 ? null : changes.map(({ path, kind }) => ({ Path: path, Kind: KINDS[kind] })));
  });

  app.get<ById>("/containers/:id/export", async (request, reply) => {
    const { config } = found(request);
    const archive = await containers.files.export(config.id);
    engine.tell("export", config.id);
    return await sendArchive(context, request, reply, archive);
  });

  function found({ params }: FastifyRequest<ById>): ContainerInfo {
    return findContainer(containers, params.id);
  }
}

function pathOf(request: FastifyRequest): string {
  const path = new Query(request).text("path");
  if (path === "") throw badRequest("bad parameter: path cannot be empty");
  return path;
}

/** Docker's sentence for a path that is not there says of which container. */
function inContainer({ params }: FastifyRequest<ById>): (cause: unknown) => never {
  return (cause) => {
    if (isClusterError(cause, "not_found") && cause.message.startsWith("Could not find")) throw notFound(`${cause.message} in container ${params.id}`);
    throw cause;
  };
}
