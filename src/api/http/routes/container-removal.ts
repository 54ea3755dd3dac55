import type { FastifyInstance } from "fastify";
import { isClusterError } from "../../../base/errors.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { sendEmpty, sendJson } from "../answer.js";
import type { ById, RouteContext } from "../context.js";
import { HttpError, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { findContainer } from "../lookup.js";
import { pruneTimeMs } from "../prune-time.js";
import { Query } from "../query.js";

/** Removes containers of this host: one, or all that nobody uses. */
export function containerRemovalRoutes(app: FastifyInstance, { backend, clock }: RouteContext): void {
  const { containers, engine } = backend;

  app.delete<ById>("/containers/:id", async (request, reply) => {
    const container = findContainer(containers, request.params.id);
    try {
      const query = new Query(request);
      if (query.flag("link")) throw notSupported("links of containers are not supported");
      await engine.remove(container.config.id, { force: query.flag("force"), volumes: query.flag("v") });
    } catch (cause) {
      if (!isClusterError(cause, "failed_precondition")) throw cause;
      const word = container.isPaused ? "paused: unpause and then" : "running:";
      const text = `cannot remove container "/${container.config.name}": container is ${word} stop the container before removing or force remove`;
      throw new HttpError(409, text, { cause });
    }
    return sendEmpty(reply, 204);
  });

  app.post("/containers/prune", async (request, reply) => {
    const filters = Filters.parse(new Query(request), ["label", "label!", "until"]);
    const untilMs = pruneTimeMs(filters, clock.now());
    const isUnwanted = ({ config, state, createdAtMs }: ContainerInfo) =>
      config.single !== null &&
      state !== "running" &&
      !engine.isRestarting(config.id) &&
      createdAtMs <= untilMs &&
      filters.allowsLabels("label", config.labels) &&
      !(filters.has("label!") && filters.allowsLabels("label!", config.labels));
    const unwanted = containers.list().filter(isUnwanted);
    const sizes = await containers.files.sizes(unwanted.map(({ config }) => config.id));
    const removed: string[] = [];
    for (const { config } of unwanted) {
      // Somebody started or removed it meanwhile.
      const isGone = await engine.remove(config.id, { force: false }).then(() => true, ignoreUse);
      if (isGone) removed.push(config.id);
    }
    const freedBytes = removed.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
    engine.events.tellOfPrune("container", freedBytes, clock.now());
    return sendJson(reply, { ContainersDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: freedBytes });
  });
}

/** Of what is in use after all, or gone already. */
function ignoreUse(cause: unknown): false {
  if (isClusterError(cause, "failed_precondition") || isClusterError(cause, "not_found")) return false;
  throw cause;
}
