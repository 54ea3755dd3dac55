import type { FastifyInstance } from "fastify";
import { sendJson } from "../answer.js";
import type { ById, RouteContext } from "../context.js";
import { notFound, notSupported } from "../errors.js";
import { requireManager } from "../swarm-access.js";

/** Kinds of objects of a swarm that do not exist yet: their lists are empty, and making one is refused. */
export function notBuiltRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  for (const kind of ["secret", "config"]) {
    app.get(`/${kind}s`, async (_request, reply) => {
      requireManager(backend);
      return sendJson(reply, []);
    });
    app.post(`/${kind}s/create`, async () => {
      requireManager(backend);
      throw notSupported(`${kind}s are not supported yet`);
    });
    const absent = async (id: string) => {
      requireManager(backend);
      throw notFound(`${kind} ${id} not found`);
    };
    app.get<ById>(`/${kind}s/:id`, async (request) => absent(request.params.id));
    app.delete<ById>(`/${kind}s/:id`, async (request) => absent(request.params.id));
    app.post<ById>(`/${kind}s/:id/update`, async (request) => absent(request.params.id));
  }
}
