import type { FastifyInstance } from "fastify";
import type { ContainerInfo, ContainerRuntime } from "../../../runtime/container-runtime.js";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { type ContainerLife, containerSummaryToDocker, containerToDocker, networkModeOf, stateWordOf } from "../convert/container.js";
import { HttpError, notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { encodeFrame, encodeLogEntry, logContentType, logQueryOf } from "../log-stream.js";
import { nameMatcher } from "../name-matcher.js";
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
const BUILT_FILTERS: readonly string[] = [
  "ancestor",
  "exited",
  "id",
  "is-task",
  "label",
  "name",
  "status",
  "before",
  "since",
  "network",
  "publish",
  "expose",
  "health",
  "volume",
];
const TASK_LABEL = "com.docker.swarm.task.id";

/** Containers of this host, tasks' and single ones: what there is to see of them. */
export function containerRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

  app.get("/containers/json", async (request, reply) => {
    const query = new Query(request);
    const filters = Filters.parse(query, FILTERS);
    const limit = Number(query.text("limit") || "0");
    if (!Number.isInteger(limit)) throw new HttpError(400, `invalid value for limit: "${query.text("limit")}"`);
    const isWanted = containerFilter(filters, containers, stateOf, (id) => engine.health.of(id)?.status ?? "none");
    const isAll = query.flag("all") || filters.has("status") || filters.has("exited") || limit > 0;
    const found = containers
      .list()
      .filter((container) => (isAll || container.state === "running") && isWanted(container))
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    const nowMs = context.clock.now();
    return sendJson(
      reply,
      (limit > 0 ? found.slice(0, limit) : found).map((container) =>
        containerSummaryToDocker(container, context.backend.publishedPorts(container.config.id), nowMs, lifeOf(container)),
      ),
    );
  });

  app.get<ById>("/containers/:id/json", async (request, reply) => {
    const container = found(request.params.id);
    return sendJson(reply, containerToDocker(container, context.backend.publishedPorts(container.config.id), lifeOf(container)));
  });

  app.get<ById>("/containers/:id/logs", async (request, reply) => {
    const query = logQueryOf(new Query(request));
    const container = found(request.params.id);
    const isTty = container.config.terminal.isTerminal;
    const options = {
      contentType: logContentType(isTty, apiMinorOf(request.raw)),
      errorText: (message: string) => (isTty ? `${message}\r\n` : encodeFrame("systemerr", `${message}\n`)),
    };
    await sendStream(context, request, reply, options, async (writer, signal) => {
      for await (const line of containers.logs(container.config.id, query, signal)) {
        await writer.write(encodeLogEntry({ ...line, attributes: {} }, query, { isTty, endLines: false }));
      }
    });
  });

  for (const method of ["get", "head", "put", "post"] as const) {
    app[method]<{ Params: { readonly id: string; readonly "*": string } }>("/containers/:id/*", async (request) => {
      found(request.params.id);
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

  function found(reference: string): ContainerInfo {
    const container = containers.inspect(reference);
    if (container === undefined) throw notFound(`No such container: ${reference}`);
    return container;
  }
}

function containerFilter(
  filters: Filters,
  containers: ContainerRuntime,
  stateOf: (container: ContainerInfo) => string,
  healthOf: (id: string) => string,
): (container: ContainerInfo) => boolean {
  for (const key of FILTERS) {
    if (filters.has(key) && !BUILT_FILTERS.includes(key)) throw notSupported(`the filter "${key}" of containers is not supported yet`);
  }
  const states: readonly string[] = filters.words("status", STATES);
  const healthWords: readonly string[] = filters.words("health", ["starting", "healthy", "unhealthy", "none"]);
  const taskWords = filters.words("is-task", ["true", "false"]);
  const madeAt = (key: string) =>
    filters.get(key).map((reference) => {
      const other = containers.inspect(reference);
      if (other === undefined) throw notFound(`No such container: ${reference}`);
      return other.createdAtMs;
    });
  const [before, since] = [madeAt("before"), madeAt("since")];
  const hasPort = (container: ContainerInfo, key: string) =>
    filters.get(key).some((text) => {
      const [port, protocol = "tcp"] = text.split("/");
      return (container.config.single?.published ?? []).some(
        (each) => `${key === "publish" ? each.publishedPort : each.targetPort}` === port && each.protocol === protocol,
      );
    });
  const names = filters.get("name").map(nameMatcher);
  return (container) =>
    filters.allowsPrefix("id", container.config.id) &&
    (names.length === 0 || names.some((matches) => matches(container.config.name))) &&
    filters.allowsLabels("label", container.config.labels) &&
    before.every((timeMs) => container.createdAtMs < timeMs) &&
    since.every((timeMs) => container.createdAtMs > timeMs) &&
    filters.allows("network", networkModeOf(container)) &&
    (!filters.has("volume") ||
      container.config.mounts.some((mount) => [mount.volume?.name, mount.target].some((word) => filters.get("volume").includes(word ?? "")))) &&
    ["publish", "expose"].every((key) => !filters.has(key) || hasPort(container, key)) &&
    filters.allows("exited", `${container.exit?.exitCode ?? "none"}`) &&
    (!filters.has("ancestor") || filters.get("ancestor").some((image) => container.config.image === image || container.imageId.startsWith(image))) &&
    (healthWords.length === 0 || healthWords.includes(healthOf(container.config.id))) &&
    (states.length === 0 || states.includes(stateOf(container))) &&
    (taskWords.length === 0 || taskWords.some((word) => (word === "true") === Object.hasOwn(container.config.labels, TASK_LABEL)));
}
