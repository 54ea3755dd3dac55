import type { FastifyInstance } from "fastify";
import { sendEmpty, sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { badRequest, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { Query } from "../query.js";

const PRUNE_FILTERS = ["until", "id", "parent", "type", "description", "inuse", "shared", "private", "label", "label!"];

/** Building images, which this daemon does not do: nothing is cached and nothing can be cancelled. */
export function buildRoutes(app: FastifyInstance, { backend, clock }: RouteContext): void {
  for (const path of ["/build", "/session", "/grpc"]) {
    app.post(path, async () => {
      throw notSupported("building images is not supported: build elsewhere, and pull or load the image");
    });
  }

  app.post("/build/prune", async (request, reply) => {
    Filters.parse(new Query(request), PRUNE_FILTERS);
    backend.engine.events.tellOfPrune("builder", 0, clock.now());
    return sendJson(reply, { CachesDeleted: null, SpaceReclaimed: 0 });
  });

  app.post("/build/cancel", async (request, reply) => {
    if (new Query(request).text("id") === "") throw badRequest("build ID not provided");
    // Nothing of that name is being built: as good as cancelled.
    return sendEmpty(reply, 204);
  });
}
