import type { FastifyInstance } from "fastify";
import type { Task } from "../../../model/objects.js";
import { TASK_STATES } from "../../../model/task-state.js";
import type { StoreView } from "../../../store/view.js";
import { sendJson } from "../answer.js";
import type { ById, RouteContext } from "../context.js";
import { taskToDocker } from "../convert/task.js";
import { badRequest } from "../errors.js";
import { Filters } from "../filters.js";
import { findNode, findService, findTask } from "../lookup.js";
import { Query } from "../query.js";
import { readSwarm } from "../swarm-access.js";
import { isUpToDate } from "../up-to-date.js";

const FILTERS = ["desired-state", "id", "label", "name", "node", "service", "runtime", "_up-to-date"];

export function taskRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  const toJson = (task: Task, view: StoreView) => taskToDocker(task, (id) => view.networks.get(id));

  app.get("/tasks", async (request, reply) => {
    const filters = Filters.parse(new Query(request), FILTERS);
    const states = filters.words("desired-state", TASK_STATES);
    const freshness = filters.get("_up-to-date").map(isTrue);
    const view = await readSwarm(backend);
    const tasks = candidates(view, filters).filter(
      (task) =>
        filters.allowsPrefix("id", task.id) &&
        filters.allowsPrefix("name", task.name) &&
        filters.allowsLabels("label", task.serviceLabels) &&
        filters.allows("runtime", task.spec?.runtime ?? "container") &&
        (states.length === 0 || states.includes(task.desiredState)) &&
        (freshness.length === 0 || freshness.includes(isUpToDate(task, view))),
    );
    return sendJson(
      reply,
      tasks.map((task) => toJson(task, view)),
    );
  });

  app.get<ById>("/tasks/:id", async (request, reply) => {
    const view = await readSwarm(backend);
    return sendJson(reply, toJson(findTask(view, request.params.id), view));
  });
}

/** Tasks of the services and nodes that the filters name, by id or name; throws 404 for one that does not exist. */
function candidates(view: StoreView, filters: Filters): readonly Task[] {
  const services = new Set(filters.get("service").map((reference) => findService(view, reference).id));
  const nodes = new Set(filters.get("node").map((reference) => findNode(view, reference).id));
  const onNodes = (task: Task) => nodes.size === 0 || nodes.has(task.nodeId);
  if (services.size > 0) return [...services].flatMap((id) => view.tasks.byService(id)).filter(onNodes);
  return nodes.size > 0 ? [...nodes].flatMap((id) => view.tasks.byNode(id)) : [...view.tasks.all()];
}

function isTrue(text: string): boolean {
  if (["true", "1", "t"].includes(text.toLowerCase())) return true;
  if (["false", "0", "f"].includes(text.toLowerCase())) return false;
  throw badRequest(`invalid filter '_up-to-date=${text}'`);
}
