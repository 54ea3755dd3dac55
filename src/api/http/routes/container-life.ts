import { lchown, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { isClusterError, messageOf, systemCodeOf } from "../../../base/errors.js";
import { newContainerId } from "../../../base/ids.js";
import { systemRandom } from "../../../base/random.js";
import type { WaitCondition } from "../../../engine/engine.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { containerFromDocker, restartFromDocker } from "../convert/container-create.js";
import { changedResources } from "../convert/container-resources.js";
import { Fields } from "../convert/fields.js";
import { badRequest, HttpError, notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { stringifyJson } from "../json.js";
import { noSuchImage } from "../image-path.js";
import { pruneTimeMs } from "../prune-time.js";
import { Query } from "../query.js";
import { randomName } from "../random-name.js";
import { sendStream } from "../stream.js";
import { sizeOf } from "./attach.js";

interface ById {
  Params: { readonly id: string };
}

const NO_CHECKPOINTS_TEXT = "checkpoints of containers are not supported";
const EMPTY_BODY_BYTES_MAX = 7;
const CONDITIONS: readonly WaitCondition[] = ["not-running", "next-exit", "removed"];

/** Makes, drives and removes containers of this host. */
export function containerLifeRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine, images, host } = context.backend;
  const { userRemap } = host;

  app.post("/containers/create", async (request, reply) => {
    const query = new Query(request);
    const body = await requireJsonBody(request);
    const reference = new Fields(body, "").string("Image");
    const image = reference === "" ? undefined : images.resolve(reference);
    if (reference === "") throw badRequest("no image was named");
    if (image === undefined) throw noSuchImage(reference);
    const id = newContainerId();
    const name = query.text("name").replace(/^\//, "") || randomName(systemRandom, (candidate) => containers.inspect(candidate) !== undefined);
    const made = containerFromDocker(body, {
      id,
      name,
      image: image.config,
      findContainer: found,
      isRemapped: userRemap !== null,
      abilities: containers.abilities,
    });
    const owner = made.config.usesHostUsers === true ? null : (userRemap?.root ?? null);
    for (const folder of made.foldersToMake) await makeFolder(folder, owner);
    await engine.create(made.config, made.network);
    return sendJson(reply, { Id: id, Warnings: made.warnings }, 201);
  });

  app.post<ById>("/containers/:id/start", async (request, reply) => {
    // Docker's own bound: JSON's ways of writing nothing pass.
    if (Number(request.headers["content-length"] ?? 0) > EMPTY_BODY_BYTES_MAX) {
      throw badRequest("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    }
    if (new Query(request).text("checkpoint") !== "") throw badRequest(NO_CHECKPOINTS_TEXT);
    return sendEmpty(reply, (await engine.start(idOf(request))) ? 204 : 304);
  });

  // What needs CRIU, which Docker, too, answers only as an experiment.
  const refuseCheckpoints = async () => {
    throw notSupported(NO_CHECKPOINTS_TEXT);
  };
  app.get("/containers/:id/checkpoints", refuseCheckpoints);
  app.post("/containers/:id/checkpoints", refuseCheckpoints);
  app.delete("/containers/:id/checkpoints/:checkpoint", refuseCheckpoints);

  app.post<ById>("/containers/:id/stop", async (request, reply) => {
    const id = idOf(request);
    return sendEmpty(reply, (await engine.stop(id, graceOf(request), new Query(request).text("signal"))) ? 204 : 304);
  });

  app.post<ById>("/containers/:id/restart", async (request, reply) => {
    await engine.restart(idOf(request), graceOf(request), new Query(request).text("signal"));
    return sendEmpty(reply, 204);
  });

  app.post<ById>("/containers/:id/kill", async (request, reply) => {
    await engine.kill(idOf(request), new Query(request).text("signal") || "SIGKILL");
    return sendEmpty(reply, 204);
  });

  for (const action of ["pause", "unpause"] as const) {
    app.post<ById>(`/containers/:id/${action}`, async (request, reply) => {
      await containers[action](idOf(request));
      return sendEmpty(reply, 204);
    });
  }

  app.post<ById>("/containers/:id/resize", async (request, reply) => {
    const size = sizeOf(new Query(request));
    const id = idOf(request);
    await containers.resize(id, size);
    engine.tell("resize", id, { height: `${size.rows}`, width: `${size.columns}` });
    return sendEmpty(reply, 200);
  });

  app.post<ById>("/containers/:id/rename", async (request, reply) => {
    const name = new Query(request).text("name").replace(/^\//, "");
    if (name === "") throw badRequest("Neither old nor new names may be empty");
    await engine.rename(idOf(request), name);
    return sendEmpty(reply, 204);
  });

  app.post<ById>("/containers/:id/update", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    const container = found(request.params.id);
    const { resources, warnings } = changedResources(fields, container.config.resources, containers.abilities);
    const restart = restartFromDocker(fields.child("RestartPolicy"));
    fields.end();
    await engine.update(container.config.id, { resources, restart });
    return sendJson(reply, { Warnings: warnings });
  });

  /** Its headers are out at once: who has them knows that no end is missed. */
  app.post<ById>("/containers/:id/wait", async (request, reply) => {
    const condition = conditionOf(new Query(request).text("condition"));
    const id = idOf(request);
    await sendStream(context, request, reply, { contentType: "application/json" }, async (writer, signal) => {
      const exit = await engine.wait(id, condition, signal);
      await writer.write(`${stringifyJson({ StatusCode: exit.exitCode })}\n`);
    });
    return reply;
  });

  app.delete<ById>("/containers/:id", async (request, reply) => {
    const container = found(request.params.id);
    try {
      const query = new Query(request);
      if (query.flag("link")) throw notSupported("links of containers are not supported");
      await engine.remove(container.config.id, { force: query.flag("force"), volumes: query.flag("v") });
    } catch (cause) {
      if (!isClusterError(cause, "failed_precondition")) throw cause;
      const word = container.isPaused ? "paused: unpause and then" : "running: ";
      const text = `cannot remove container "/${container.config.name}": container is ${word} stop the container before removing or force remove`;
      throw new HttpError(409, text.replace(":  ", ": "), { cause });
    }
    return sendEmpty(reply, 204);
  });

  app.post("/containers/prune", async (request, reply) => {
    const filters = Filters.parse(new Query(request), ["label", "label!", "until"]);
    const untilMs = pruneTimeMs(filters, context.clock.now());
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
    engine.events.tellOfPrune("container", freedBytes, context.clock.now());
    return sendJson(reply, { ContainersDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: freedBytes });
  });

  function found(reference: string): ContainerInfo {
    const container = containers.inspect(reference);
    if (container === undefined) throw notFound(`No such container: ${reference}`);
    return container;
  }

  function idOf(request: FastifyRequest<ById>): string {
    return found(request.params.id).config.id;
  }
}

/** Milliseconds; null for what the container has by itself. Negative waits for ever, as in Docker. */
function graceOf(request: FastifyRequest): number | null {
  const text = new Query(request).text("t");
  if (text === "") return null;
  if (!/^-?\d{1,7}$/.test(text)) throw badRequest(`invalid value for t: "${text}"`);
  return Number(text) < 0 ? Number.MAX_SAFE_INTEGER : Number(text) * 1000;
}

function conditionOf(text: string): WaitCondition {
  const condition = CONDITIONS.find((word) => word === (text || "not-running"));
  if (condition === undefined) throw badRequest(`invalid condition: "${text}"`);
  return condition;
}

/** A source that is there, a file or a link for instance, is as good. */
/** With the folders above it; what is made belongs to `owner`. What is there stays as it is. */
async function makeFolder(folder: string, owner: { readonly uid: number; readonly gid: number } | null): Promise<void> {
  try {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined || owner === null) return;
    for (let made = resolve(folder); made.length >= first.length; made = dirname(made)) await lchown(made, owner.uid, owner.gid);
  } catch (cause) {
    if (systemCodeOf(cause) !== "EEXIST") throw badRequest(`cannot make the bind source: ${messageOf(cause)}`);
  }
}

function ignoreUse(cause: unknown): false {
  if (isClusterError(cause, "failed_precondition") || isClusterError(cause, "not_found")) return false;
  throw cause;
}
