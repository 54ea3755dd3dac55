import type { FastifyInstance, FastifyRequest } from "fastify";
import type { WaitCondition } from "../../../engine/wait-for-end.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { restartFromDocker } from "../convert/container-create.js";
import { changedResources } from "../convert/container-resources.js";
import { Fields } from "../convert/fields.js";
import { badRequest, notSupported } from "../errors.js";
import { stringifyJson } from "../json.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";
import { terminalSizeOf } from "../terminal-size.js";

const NO_CHECKPOINTS_TEXT = "checkpoints of containers are not supported";
const EMPTY_BODY_BYTES_MAX = 7;
const CONDITIONS: readonly WaitCondition[] = ["not-running", "next-exit", "removed"];

/** Starts, drives and ends containers of this host. */
export function containerLifeRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

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
    const size = terminalSizeOf(new Query(request));
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
    const container = findContainer(containers, request.params.id);
    const { resourcesOf, warnings } = changedResources(fields, containers.abilities);
    const restart = restartFromDocker(fields.child("RestartPolicy"));
    fields.end();
    await engine.update(container.config.id, { resources: resourcesOf, restart });
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

  function idOf(request: FastifyRequest<ById>): string {
    return findContainer(containers, request.params.id).config.id;
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
