import type { FastifyInstance } from "fastify";
import { isClusterError } from "../../../base/errors.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { sendEmpty, sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { containerSummaryToDocker, containerToDocker } from "../convert/container.js";
import { HttpError, notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { encodeFrame, encodeLogEntry, logContentType, logQueryOf } from "../log-stream.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";
import { apiMinorOf } from "../version.js";

interface ById {
  Params: { readonly id: string };
}

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"] as const;
const FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];
/** Those that are honoured. */
const BUILT_FILTERS: readonly string[] = ["ancestor", "exited", "id", "is-task", "label", "name", "status"];
const TASK_LABEL = "com.docker.swarm.task.id";

/** Containers of this host. What makes and drives them is the swarm; by hand they can be looked at, and removed. */
export function containerRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers } = context.backend;

  app.get("/containers/json", async (request, reply) => {
    const query = new Query(request);
    const filters = Filters.parse(query, FILTERS);
    const limit = Number(query.text("limit") || "0");
    if (!Number.isInteger(limit)) throw new HttpError(400, `invalid value for limit: "${query.text("limit")}"`);
    const isWanted = containerFilter(filters);
    const isAll = query.flag("all") || filters.has("status") || filters.has("exited") || limit > 0;
    const found = containers
      .list()
      .filter((container) => (isAll || container.state === "running") && isWanted(container))
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    const nowMs = context.clock.now();
    return sendJson(
      reply,
      (limit > 0 ? found.slice(0, limit) : found).map((container) =>
        containerSummaryToDocker(container, context.backend.publishedPorts(container.config.id), nowMs),
      ),
    );
  });

  app.get<ById>("/containers/:id/json", async (request, reply) => {
    const container = found(request.params.id);
    return sendJson(reply, containerToDocker(container, context.backend.publishedPorts(container.config.id)));
  });

  app.get<ById>("/containers/:id/logs", async (request, reply) => {
    const query = logQueryOf(new Query(request));
    const container = found(request.params.id);
    const options = {
      contentType: logContentType(false, apiMinorOf(request.raw)),
      errorText: (message: string) => encodeFrame("systemerr", `${message}\n`),
    };
    await sendStream(context, request, reply, options, async (writer, signal) => {
      for await (const line of containers.logs(container.config.id, query, signal)) {
        await writer.write(encodeLogEntry({ ...line, attributes: {} }, query, { isTty: false, endLines: false }));
      }
    });
  });

  app.delete<ById>("/containers/:id", async (request, reply) => {
    const container = found(request.params.id);
    try {
      await containers.remove(container.config.id, { force: new Query(request).flag("force") });
    } catch (cause) {
      if (!isClusterError(cause, "failed_precondition")) throw cause;
      const text = `cannot remove container "/${container.config.name}": container is running: stop the container before removing or force remove`;
      throw new HttpError(409, text, { cause });
    }
    return sendEmpty(reply, 204);
  });

  app.post("/containers/create", async () => {
    throw notSupported("containers are made by services only: use docker service create");
  });
  app.post("/containers/prune", async () => {
    throw notSupported("docker container prune is not supported yet");
  });
  for (const method of ["get", "head", "put", "post"] as const) {
    app[method]<{ Params: { readonly id: string; readonly "*": string } }>("/containers/:id/*", async (request) => {
      found(request.params.id);
      throw notSupported(`docker ${request.params["*"]} of a container is not supported yet`);
    });
  }

  function found(reference: string): ContainerInfo {
    const container = containers.inspect(reference);
    if (container === undefined) throw notFound(`No such container: ${reference}`);
    return container;
  }
}

function containerFilter(filters: Filters): (container: ContainerInfo) => boolean {
  for (const key of FILTERS) {
    if (filters.has(key) && !BUILT_FILTERS.includes(key)) throw notSupported(`the filter "${key}" of containers is not supported yet`);
  }
  const states: readonly string[] = filters.words("status", STATES);
  const taskWords = filters.words("is-task", ["true", "false"]);
  const names = filters.get("name").map(nameMatcher);
  return (container) =>
    filters.allowsPrefix("id", container.config.id) &&
    (names.length === 0 || names.some((matches) => matches(container.config.name))) &&
    filters.allowsLabels("label", container.config.labels) &&
    filters.allows("exited", `${container.exit?.exitCode ?? "none"}`) &&
    (!filters.has("ancestor") || filters.get("ancestor").some((image) => container.config.image === image || container.imageId.startsWith(image))) &&
    (states.length === 0 || states.includes(container.state)) &&
    (taskWords.length === 0 || taskWords.some((word) => (word === "true") === Object.hasOwn(container.config.labels, TASK_LABEL)));
}

/** Docker reads the value as a regular expression, on the name with and without its slash; what is none is taken literally. */
function nameMatcher(pattern: string): (name: string) => boolean {
  let regex: RegExp;
  try {
    regex = new RegExp(pattern);
  } catch {
    // A pattern that does not compile can only be meant as text.
    return (name) => name.includes(pattern);
  }
  return (name) => regex.test(name) || regex.test(`/${name}`);
}
