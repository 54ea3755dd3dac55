import type { FastifyInstance } from "fastify";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { Query } from "../query.js";

/** What there is in their place, for whoever wants one. */
const NO_PLUGINS_TEXT = "plugins are not supported: drivers of volumes, networks and logs are built in";
const VERBS = /\/(json|enable|disable|push|set|upgrade)$/;

/** Docker's managed plugins, of which there are none. */
export function pluginRoutes(app: FastifyInstance, _context: RouteContext): void {
  const refuse = async () => {
    throw notSupported(NO_PLUGINS_TEXT);
  };
  const absent = async ({ params }: { readonly params: unknown }) => {
    const name = (params as { readonly "*": string })["*"].replace(VERBS, "");
    throw notFound(`plugin "${name}" not found`);
  };

  app.get("/plugins", async (request, reply) => {
    Filters.parse(new Query(request), ["capability", "enabled"]);
    return sendJson(reply, []);
  });
  app.get("/plugins/privileges", refuse);
  app.post("/plugins/pull", refuse);
  app.post("/plugins/create", refuse);
  app.get("/plugins/*", absent);
  app.post("/plugins/*", absent);
  app.delete("/plugins/*", absent);
}
