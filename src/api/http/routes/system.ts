import type { FastifyInstance, FastifyReply } from "fastify";
import { isClusterError } from "../../../base/errors.js";
import type { StoreView } from "../../../store/view.js";
import { sendJson } from "../answer.js";
import type { LocalSwarmState } from "../backend.js";
import type { RouteContext } from "../context.js";
import { infoToDocker, versionToDocker } from "../convert/info.js";

/** How long `docker info` waits for the cluster's state before it answers with the copy that this manager has. */
const INFO_PATIENCE_MS = 250;

export function systemRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend, clock } = context;

  app.get("/_ping", async (_request, reply) => pingHeaders(reply).header("content-type", "text/plain; charset=utf-8").send("OK"));
  app.head("/_ping", async (_request, reply) => pingHeaders(reply).header("content-type", "text/plain; charset=utf-8").header("content-length", "0").send());

  app.get("/version", async (_request, reply) => sendJson(reply, versionToDocker(backend.host)));
  app.get("/info", async (_request, reply) => sendJson(reply, infoToDocker(backend, await viewInTime(), clock.now())));

  app.get("/metrics", async (_request, reply) => {
    const { contentType, text } = await backend.metrics();
    return reply.header("content-type", contentType).send(Buffer.from(text));
  });

  /** Info is asked for when things are wrong: it must not wait for a quorum, and shows what this manager has when there is none. */
  async function viewInTime(): Promise<StoreView | null> {
    const own = backend.swarm.localView() ?? null;
    if (own === null) return null;
    const patience = new AbortController();
    const tooLate = clock.sleep(INFO_PATIENCE_MS, patience.signal).then(
      () => own,
      () => own,
    );
    const view = backend.swarm.read().catch((cause: unknown) => {
      if (isClusterError(cause)) return own;
      throw cause;
    });
    try {
      return await Promise.race([view, tooLate]);
    } finally {
      patience.abort();
    }
  }

  function pingHeaders(reply: FastifyReply): FastifyReply {
    return reply
      .header("builder-version", "1")
      .header("swarm", swarmHeader(backend.swarm.local()))
      .header("cache-control", "no-cache, no-store, must-revalidate")
      .header("pragma", "no-cache");
  }
}

function swarmHeader(local: LocalSwarmState): string {
  if (local.state !== "active") return local.state;
  return local.isManager ? "active/manager" : "active/worker";
}
