import type { FastifyInstance } from "fastify";
import { isClusterError } from "../../../base/errors.js";
import { LOCAL_DRIVER, type Volume } from "../../../volumes/volume-store.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { volumeFromDocker, volumeToDocker } from "../convert/volume.js";
import { notFound, notSupported } from "../errors.js";
import { Filters } from "../filters.js";
import { assertAllKnown } from "../left-alone.js";
import { nameMatcher } from "../name-matcher.js";
import { Query } from "../query.js";
import { apiMinorOf } from "../version.js";

interface ByName {
  Params: { readonly name: string };
}

const BOOLEANS = ["true", "false", "1", "0"] as const;
/** From this version on, pruning leaves volumes that have a name alone unless it is told otherwise. */
const PRUNES_ANONYMOUS_SINCE = 42;

/** Volumes of this host. */
export function volumeRoutes(app: FastifyInstance, { backend, clock }: RouteContext): void {
  const { volumes, containers } = backend;

  app.get("/volumes", async (request, reply) => {
    const filters = Filters.parse(new Query(request), ["dangling", "driver", "label", "name"]);
    const dangling = filters.words("dangling", BOOLEANS).map(isTrue);
    const names = filters.get("name").map(nameMatcher);
    const used = usedNames();
    const isWanted = (volume: Volume) =>
      filters.allowsLabels("label", volume.labels) &&
      filters.allows("driver", LOCAL_DRIVER) &&
      (names.length === 0 || names.some((matches) => matches(volume.name))) &&
      (dangling.length === 0 || dangling.includes(!used.has(volume.name)));
    const found = volumes.list().filter(isWanted);
    return sendJson(reply, { Volumes: found.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(volumeToDocker), Warnings: null });
  });

  app.post("/volumes/create", async (request, reply) => {
    const volume = await volumes.create(volumeFromDocker(await requireJsonBody(request)));
    return sendJson(reply, volumeToDocker(volume), 201);
  });

  app.post("/volumes/prune", async (request, reply) => {
    assertAllKnown(containers);
    const filters = Filters.parse(new Query(request), ["all", "label", "label!"]);
    const isAll = apiMinorOf(request.raw) < PRUNES_ANONYMOUS_SINCE || filters.words("all", BOOLEANS).some(isTrue);
    const { names, freedBytes } = await volumes.prune(
      (volume) =>
        (isAll || volume.isAnonymous) &&
        // Its content may be elsewhere, and the options are all that leads there: Docker leaves it too (moby: volume/service/service.go).
        Object.keys(volume.options).length === 0 &&
        filters.allowsLabels("label", volume.labels) &&
        !(filters.has("label!") && filters.allowsLabels("label!", volume.labels)),
    );
    backend.engine.events.tellOfPrune("volume", freedBytes, clock.now());
    return sendJson(reply, { VolumesDeleted: names, SpaceReclaimed: freedBytes });
  });

  app.get<ByName>("/volumes/:name", async (request, reply) => {
    const { name } = request.params;
    const volume = volumes.get(name);
    if (volume === undefined) throw notFound(`get ${name}: no such volume`);
    return sendJson(reply, volumeToDocker(volume));
  });

  app.delete<ByName>("/volumes/:name", async (request, reply) => {
    assertAllKnown(containers);
    try {
      await volumes.remove(request.params.name);
    } catch (cause) {
      // By force, what is not there is as good as removed.
      if (!isClusterError(cause, "not_found") || !new Query(request).flag("force")) throw cause;
    }
    return sendEmpty(reply, 204);
  });

  app.put<ByName>("/volumes/:name", async () => {
    throw notSupported("cluster volumes are not supported yet");
  });

  function usedNames(): ReadonlySet<string> {
    return new Set(containers.list().flatMap(({ config }) => config.mounts.flatMap(({ volume }) => (volume === undefined ? [] : [volume.name]))));
  }
}

function isTrue(word: string): boolean {
  return word === "true" || word === "1";
}
