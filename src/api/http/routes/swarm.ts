import type { FastifyInstance } from "fastify";
import { ClusterError } from "../../../base/errors.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { JoinOptions } from "../backend.js";
import type { RouteContext } from "../context.js";
import { clusterToDocker } from "../convert/cluster.js";
import { clusterSpecFromDocker } from "../convert/cluster-spec.js";
import { Fields } from "../convert/fields.js";
import { initFromDocker, joinFromDocker } from "../convert/swarm-entry.js";
import { formatUnlockKey } from "../../../pki/unlock-key.js";
import { controlError, HttpError } from "../errors.js";
import { Query } from "../query.js";
import { readSwarm, requireManager, writeSwarm } from "../swarm-access.js";
import { ALREADY_PART_TEXT, NOT_PART_TEXT } from "../swarm-texts.js";

/** The swarm of this node: founded, joined, left, changed and unlocked. */
export function swarmRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend } = context;

  app.get("/swarm", async (_request, reply) => {
    const { cluster } = await readSwarm(backend);
    if (cluster === undefined) throw new ClusterError("unavailable", "the swarm has no cluster object yet");
    return sendJson(reply, clusterToDocker(cluster));
  });

  app.post("/swarm/init", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    const forceNewCluster = fields.boolean("ForceNewCluster");
    if (!forceNewCluster) requireOutside();
    const options = initFromDocker(fields, forceNewCluster);
    return sendJson(reply, await backend.swarm.init(options));
  });

  app.post("/swarm/join", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    requireOutside();
    await joined(joinFromDocker(fields));
    return sendEmpty(reply);
  });

  // Not Docker's.
  app.post("/swarm/rejoin", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    const remoteAddress = fields.string("RemoteAddr");
    fields.end();
    if (backend.swarm.local().state === "inactive") throw new HttpError(503, NOT_PART_TEXT);
    await backend.swarm.rejoin(remoteAddress);
    return sendEmpty(reply);
  });

  /** What the manager that is being joined refuses carries its gRPC code, as every answer of the control API does. */
  async function joined(options: JoinOptions): Promise<void> {
    try {
      await backend.swarm.join(options);
    } catch (cause) {
      throw controlError(cause);
    }
  }

  /** A second init or join says so before anything else is looked at. */
  function requireOutside(): void {
    if (["active", "locked", "error"].includes(backend.swarm.local().state)) throw new HttpError(503, ALREADY_PART_TEXT);
  }

  app.post("/swarm/leave", async (request, reply) => {
    if (backend.swarm.local().state === "inactive") throw new HttpError(503, NOT_PART_TEXT);
    await backend.swarm.leave({ force: new Query(request).flag("force") });
    return sendEmpty(reply);
  });

  app.post("/swarm/update", async (request, reply) => {
    requireManager(backend);
    const query = new Query(request);
    const version = query.version("swarm");
    const fields = new Fields(await requireJsonBody(request), "");
    // dockerode sends the parameters of the request in its body, too.
    fields.ignore("version", "rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey", "rotateDataKeys", "abortSignal");
    const { spec, signingCa } = clusterSpecFromDocker(fields);
    await writeSwarm(backend, {
      type: "updateCluster",
      updateCluster: {
        version,
        spec,
        rotateWorkerToken: query.flag("rotateWorkerToken"),
        rotateManagerToken: query.flag("rotateManagerToken"),
        rotateUnlockKey: query.flag("rotateManagerUnlockKey"),
        // Not Docker's: each manager seals its log with a new key.
        rotateDataKeys: query.flag("rotateDataKeys"),
        ...(signingCa.certificate === "" ? {} : { signingCaCertificate: signingCa.certificate }),
        ...(signingCa.key === "" ? {} : { signingCaKey: signingCa.key }),
      },
    });
    return sendEmpty(reply);
  });

  app.get("/swarm/unlockkey", async (_request, reply) => {
    const key = (await readSwarm(backend)).cluster?.unlockKey;
    return sendJson(reply, { UnlockKey: key === undefined || key.length === 0 ? "" : formatUnlockKey(key) });
  });

  app.post("/swarm/unlock", async (request, reply) => {
    const fields = new Fields(await requireJsonBody(request), "");
    const key = fields.string("UnlockKey");
    fields.end();
    if (backend.swarm.local().state !== "locked") {
      requireManager(backend);
      throw new HttpError(409, "swarm is not locked");
    }
    await backend.swarm.unlock(key);
    return sendEmpty(reply);
  });
}
