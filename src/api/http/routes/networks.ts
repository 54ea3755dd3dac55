import type { FastifyInstance } from "fastify";
import { sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { Fields } from "../convert/fields.js";
import { BUILT_IN_NETWORKS, networkToDocker } from "../convert/network.js";
import { badRequest, HttpError, notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];
const TYPES = ["builtin", "custom"];

/** The networks that every host has, and clear words about those that there are not yet. */
export function networkRoutes(app: FastifyInstance, { backend, clock }: RouteContext): void {
  app.get("/networks", async (request, reply) => {
    const filters = Filters.parse(new Query(request), FILTERS);
    const unknown = filters.get("type").find((type) => !TYPES.includes(type));
    if (unknown !== undefined) throw badRequest(`invalid filter: 'type'='${unknown}'`);
    const networks = BUILT_IN_NETWORKS.filter(
      (network) =>
        (!filters.has("name") || filters.get("name").some((part) => network.name.includes(part))) &&
        filters.allowsPrefix("id", network.name) &&
        filters.allows("driver", network.driver) &&
        filters.allows("scope", "local") &&
        filters.allows("type", "builtin") &&
        filters.allowsLabels("label", {}) &&
        !filters.get("dangling").some((value) => ["true", "1"].includes(value)),
    );
    // The list says nothing of who is on them.
    return sendJson(
      reply,
      networks.map((network) => networkToDocker(network, backend.host, [])),
    );
  });

  app.get<ById>("/networks/:id", async (request, reply) => sendJson(reply, networkToDocker(found(request.params.id), backend.host, backend.containers.list())));

  app.post("/networks/create", async () => {
    throw notSupported("networks cannot be created yet: services use bridge, host or none");
  });

  for (const action of ["connect", "disconnect"] as const) {
    app.post<ById>(`/networks/:id/${action}`, async (request) => {
      const fields = new Fields(await requireJsonBody(request), "");
      const container = findContainer(backend.containers, fields.string("Container"));
      throw notSupported(
        `cannot ${action} container ${container.config.name} and network ${found(request.params.id).name}: its network is chosen when it is made`,
      );
    });
  }

  app.delete<ById>("/networks/:id", async (request) => {
    throw new HttpError(403, `${found(request.params.id).name} is a pre-defined network and cannot be removed`);
  });

  app.post("/networks/prune", async (request, reply) => {
    Filters.parse(new Query(request), ["label", "label!", "until"]);
    backend.engine.events.tellOfPrune("network", 0, clock.now());
    return sendJson(reply, { NetworksDeleted: null });
  });

  function found(id: string): (typeof BUILT_IN_NETWORKS)[number] {
    const network = BUILT_IN_NETWORKS.find((candidate) => candidate.name === id);
    if (network === undefined) throw notFound(`network ${id} not found`);
    return network;
  }
}
