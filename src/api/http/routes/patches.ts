import type { FastifyInstance, FastifyRequest } from "fastify";
import { Backoff } from "../../../base/backoff.js";
import { ClusterError, isClusterError } from "../../../base/errors.js";
import { KeyedLock } from "../../../base/keyed-lock.js";
import { systemRandom } from "../../../base/random.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { clusterSpecFromDocker, clusterSpecToDocker } from "../convert/cluster-spec.js";
import { Fields } from "../convert/fields.js";
import { nodeSpecFromDocker, nodeSpecToDocker } from "../convert/node.js";
import { serviceSpecFromDocker, serviceSpecToDocker } from "../convert/service-spec.js";
import { findNode, findService } from "../lookup.js";
import { patchedSpec } from "../merge-patch.js";
import { Query } from "../query.js";
import { registryAuthOf } from "../registry-auth.js";
import { readSwarm, requireManager, writeSwarm } from "../swarm-access.js";

/** As often as a patch finds that somebody else wrote between its reading and its writing. */
const TRIES_MAX = 50;
/** A spec is merged whole, whatever version of the API the patch is of: what is newer than that stays. */
const ALL_FIELDS = { apiMinor: Number.POSITIVE_INFINITY };

/**
 * Not Docker's: PATCH of a service, a node or the swarm merges its body (RFC 7396) into the spec. Without `version` it is said of whatever the spec is when it is
 * written, so that clients that change different things never meet; with one it is refused when the object is another by then, as an update.
 */
export function patchRoutes(app: FastifyInstance, { backend, clock, closing }: RouteContext): void {
  /** Those of one object that come to this manager: they need not find out from each other's writes. */
  const turns = new KeyedLock();

  app.patch<ById>("/services/:id", async (request, reply) => {
    const registryAuth = registryAuthOf(request);
    await patching(request, "service", async (patch, given) => {
      const { id, spec: before, meta } = findService(await readSwarm(backend), request.params.id);
      if (before === null || meta === null) throw new ClusterError("internal", `service ${id} has no spec`);
      const spec = serviceSpecFromDocker(patchedSpec(serviceSpecToDocker(before), patch), { ...ALL_FIELDS, registryAuth });
      const version = given ?? meta.version;
      await writeSwarm(backend, { type: "updateService", updateService: { serviceId: id, version, spec, rollback: "none", registryAuthSource: "spec" } });
    });
    return sendJson(reply, { Warnings: null });
  });

  app.patch<ById>("/nodes/:id", async (request, reply) => {
    await patching(request, "node", async (patch, given) => {
      const { id, spec: before, meta } = findNode(await readSwarm(backend), request.params.id);
      if (before === null || meta === null) throw new ClusterError("internal", `node ${id} has no spec`);
      const spec = nodeSpecFromDocker(patchedSpec(nodeSpecToDocker(before), patch));
      await writeSwarm(backend, { type: "updateNode", updateNode: { nodeId: id, version: given ?? meta.version, spec } });
    });
    return sendEmpty(reply);
  });

  app.patch("/swarm", async (request, reply) => {
    await patching(request, "swarm", async (patch, given) => {
      const { cluster } = await readSwarm(backend);
      if (cluster?.spec === undefined || cluster.spec === null || cluster.meta === null)
        throw new ClusterError("unavailable", "the swarm has no cluster object yet");
      const { spec, signingCa } = clusterSpecFromDocker(new Fields(patchedSpec(clusterSpecToDocker(cluster.spec), patch), ""));
      await writeSwarm(backend, {
        type: "updateCluster",
        updateCluster: {
          version: given ?? cluster.meta.version,
          spec,
          rotateWorkerToken: false,
          rotateManagerToken: false,
          rotateUnlockKey: false,
          ...(signingCa.certificate === "" ? {} : { signingCaCertificate: signingCa.certificate }),
          ...(signingCa.key === "" ? {} : { signingCaKey: signingCa.key }),
        },
      });
    });
    return sendEmpty(reply);
  });

  async function patching(request: FastifyRequest, kind: string, apply: (patch: unknown, given: number | undefined) => Promise<void>): Promise<void> {
    requireManager(backend);
    const query = new Query(request);
    const given = query.all("version").length > 0 ? query.version(kind) : undefined;
    const patch = await requireJsonBody(request);
    if (given !== undefined) return apply(patch, given);
    await turns.run(request.url.replace(/\?.*/, ""), async () => {
      const backoff = new Backoff({ firstMs: 5, maxMs: 100, random: systemRandom });
      for (let tries = 1; ; tries++) {
        try {
          return await apply(patch, undefined);
        } catch (cause) {
          // Nothing was written, so it may be done again.
          const isStale = cause instanceof Error && isClusterError(cause.cause, "conflict");
          if (!isStale || tries === TRIES_MAX) throw cause;
        }
        await clock.sleep(backoff.nextMs(), closing);
      }
    });
  }
}
