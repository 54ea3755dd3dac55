import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { containersFolder } from "../../../runtime/container-paths.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { sendJson } from "../answer.js";
import { CONTAINER_FILTERS, containerFilter, deadFilter } from "../container-filter.js";
import { sizesOf } from "../container-sizes.js";
import type { ById, RouteContext } from "../context.js";
import { containerToDocker } from "../convert/container.js";
import { type ContainerLife, stateWordOf } from "../convert/container-life.js";
import { containerSummaryToDocker } from "../convert/container-summary.js";
import { deadSummaryToDocker, deadToDocker } from "../convert/dead-container.js";
import { HttpError, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { encodeFrame, encodeLogEntry, logContentType, logQueryOf } from "../log-stream.js";
import { findDamaged } from "../left-alone.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";
import { apiMinorOf } from "../version.js";

/** Containers of this host, tasks' and single ones: what there is to see of them. */
export function containerRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine, images } = context.backend;

  app.get("/containers/json", async (request, reply) => {
    const query = new Query(request);
    const filters = Filters.parse(query, CONTAINER_FILTERS);
    const limit = Number(query.text("limit") || "0");
    if (!Number.isInteger(limit)) throw new HttpError(400, `invalid value for limit: "${query.text("limit")}"`);
    const isWanted = containerFilter(filters, { containers, images, stateOf, healthOf: (id) => engine.health.of(id)?.status ?? "none" });
    const isAll = query.flag("all") || filters.has("status") || filters.has("exited") || limit > 0;
    const isUp = ({ state, config }: ContainerInfo) => state === "running" || engine.isRestarting(config.id);
    const found = containers
      .list()
      .filter((container) => (isAll || isUp(container)) && isWanted(container))
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    const listed = limit > 0 ? found.slice(0, limit) : found;
    const dead = isAll ? containers.leftAlone().filter(deadFilter(filters)) : [];
    const deadListed = limit > 0 ? dead.slice(0, limit - listed.length) : dead;
    const sizes = query.flag("size") ? await sizesOf(context.backend, listed) : null;
    const nowMs = context.clock.now();
    const summaries = listed.map((container) => {
      const { id } = container.config;
      const image = images.resolve(container.imageId)?.config ?? null;
      return containerSummaryToDocker(container, { ports: context.backend.publishedPorts(id), image, nowMs, life: lifeOf(container), sizes: sizes?.get(id) });
    });
    return sendJson(reply, [...summaries, ...deadListed.map(deadSummaryToDocker)]);
  });

  app.get<ById>("/containers/:id/json", async (request, reply) => {
    const { dataRoot } = context.backend.host;
    const damaged = containers.inspect(request.params.id) === undefined ? findDamaged(containers, request.params.id) : undefined;
    if (damaged !== undefined) return sendJson(reply, deadToDocker(damaged, join(containersFolder(dataRoot), damaged.id)));
    const container = findContainer(containers, request.params.id);
    const { id } = container.config;
    const sizes = new Query(request).flag("size") ? (await sizesOf(context.backend, [container])).get(id) : undefined;
    const image = images.resolve(container.imageId);
    const surroundings = {
      ports: context.backend.publishedPorts(id),
      life: lifeOf(container),
      image: image?.config ?? null,
      folder: join(containersFolder(dataRoot), id),
      layers: image === undefined ? [] : images.layerFolders(image.id),
      sizes,
    };
    return sendJson(reply, containerToDocker(container, surroundings));
  });

  app.get<ById>("/containers/:id/logs", async (request, reply) => {
    const query = logQueryOf(new Query(request));
    const container = findContainer(containers, request.params.id);
    if (!container.isLogReadable) throw new HttpError(501, "configured logging driver does not support reading");
    const isTty = container.config.terminal.isTerminal;
    const options = {
      contentType: logContentType(isTty, apiMinorOf(request.raw)),
      errorText: (message: string) => (isTty ? `${message}\r\n` : encodeFrame("systemerr", `${message}\n`)),
    };
    await sendStream(context, request, reply, options, async (writer, signal) => {
      for await (const line of containers.logs(container.config.id, query, signal)) {
        await writer.write(encodeLogEntry(line, query, { isTty, endLines: false }));
      }
    });
  });

  for (const method of ["get", "head", "put", "post"] as const) {
    app[method]<{ Params: { readonly id: string; readonly "*": string } }>("/containers/:id/*", async (request) => {
      findContainer(containers, request.params.id);
      throw notSupported(`docker ${request.params["*"]} of a container is not supported yet`);
    });
  }

  function lifeOf({ config }: ContainerInfo): ContainerLife {
    const { id } = config;
    return { isRestarting: engine.isRestarting(id), restartCount: engine.restartCount(id), execIds: engine.execs.idsOf(id), health: engine.health.of(id) };
  }

  function stateOf(container: ContainerInfo): string {
    return stateWordOf(container, lifeOf(container));
  }
}
