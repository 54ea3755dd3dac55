import type { FastifyInstance } from "fastify";
import type { Node } from "../../../model/objects.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { nodeSpecFromDocker, nodeToDocker } from "../convert/node.js";
import { Filters } from "../filters.js";
import { findNode } from "../lookup.js";
import { Query } from "../query.js";
import { readSwarm, writeSwarm } from "../swarm-access.js";

export function nodeRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  const toJson = (node: Node) =>
    nodeToDocker(
      node,
      backend.swarm.members().find((member) => member.nodeId === node.id),
    );

  app.get("/nodes", async (request, reply) => {
    const filters = Filters.parse(new Query(request), ["id", "label", "node.label", "membership", "name", "role"]);
    const roles = filters.words("role", ["worker", "manager"]);
    const memberships = filters.words("membership", ["accepted", "pending"]);
    const view = await readSwarm(backend);
    const nodes = [...view.nodes.all()].filter(
      (node) =>
        filters.allowsPrefix("id", node.id) &&
        filters.allowsPrefix("name", node.description?.hostname ?? "") &&
        filters.allowsLabels("label", node.description?.engine?.labels ?? {}) &&
        filters.allowsLabels("node.label", node.spec?.labels ?? {}) &&
        (roles.length === 0 || roles.includes(node.role)) &&
        // A node is in the store only once it was accepted.
        (memberships.length === 0 || memberships.includes("accepted")),
    );
    return sendJson(reply, nodes.map(toJson));
  });

  app.get<ById>("/nodes/:id", async (request, reply) => sendJson(reply, toJson(findNode(await readSwarm(backend), request.params.id))));

  app.post<ById>("/nodes/:id/update", async (request, reply) => {
    const version = new Query(request).version("node");
    const spec = nodeSpecFromDocker(await requireJsonBody(request));
    const node = findNode(await readSwarm(backend), request.params.id);
    await writeSwarm(backend, { type: "updateNode", updateNode: { nodeId: node.id, version, spec } });
    return sendEmpty(reply);
  });

  app.delete<ById>("/nodes/:id", async (request, reply) => {
    const node = findNode(await readSwarm(backend), request.params.id);
    await writeSwarm(backend, { type: "removeNode", removeNode: { nodeId: node.id, force: new Query(request).flag("force") } });
    return sendEmpty(reply);
  });
}
