import type { FastifyInstance } from "fastify";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { timeText } from "../convert/time.js";
import { notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import type { Json } from "../json.js";
import { Query } from "../query.js";

interface ById {
  Params: { readonly id: string };
}

/** The networks that every host has. Their names are their ids, so that a service's spec reads the same on each node. */
const BUILT_IN: readonly { readonly name: string; readonly driver: string }[] = [
  { name: "bridge", driver: "bridge" },
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
];

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

export function networkRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  const toJson = ({ name, driver }: (typeof BUILT_IN)[number]): Json => ({
    Name: name,
    Id: name,
    Created: timeText(backend.host.startedAtMs),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  });

  app.get("/networks", async (request, reply) => {
    const filters = Filters.parse(new Query(request), FILTERS);
    const networks = BUILT_IN.filter(
      (network) =>
        (!filters.has("name") || filters.get("name").some((part) => network.name.includes(part))) &&
        filters.allowsPrefix("id", network.name) &&
        filters.allows("driver", network.driver) &&
        filters.allows("scope", "local") &&
        filters.allows("type", "builtin") &&
        filters.allowsLabels("label", {}) &&
        !filters.get("dangling").some((value) => ["true", "1"].includes(value)),
    );
    return sendJson(reply, networks.map(toJson));
  });

  app.get<ById>("/networks/:id", async (request, reply) => {
    const network = BUILT_IN.find((candidate) => candidate.name === request.params.id);
    if (network === undefined) throw notFound(`network ${request.params.id} not found`);
    return sendJson(reply, toJson(network));
  });

  app.post("/networks/create", async () => {
    throw notSupported("networks cannot be created yet: services use bridge, host or none");
  });

  app.delete<ById>("/networks/:id", async (request) => {
    const { id } = request.params;
    if (BUILT_IN.some((network) => network.name === id)) throw notSupported(`${id} is a pre-defined network and cannot be removed`);
    throw notFound(`network ${id} not found`);
  });

  app.post("/networks/prune", async (_request, reply) => sendJson(reply, { NetworksDeleted: null }));
}
