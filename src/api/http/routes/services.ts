import type { FastifyInstance } from "fastify";
import { systemRandom } from "../../../base/random.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { serviceToDocker } from "../convert/service.js";
import { serviceModeWord } from "../convert/service-mode.js";
import { serviceSpecFromDocker } from "../convert/service-spec.js";
import { badRequest } from "../errors.js";
import { Filters } from "../filters.js";
import { findService } from "../lookup.js";
import { Query } from "../query.js";
import { randomName } from "../random-name.js";
import { registryAuthOf } from "../registry-auth.js";
import { countTasks } from "../service-status.js";
import { readSwarm, requireManager, writeSwarm, wrongReply } from "../swarm-access.js";
import { apiMinorOf } from "../version.js";

const MODES = ["replicated", "global", "replicated-job", "global-job"] as const;

export function serviceRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  app.get("/services", async (request, reply) => {
    const query = new Query(request);
    const filters = Filters.parse(query, ["id", "name", "label", "mode", "runtime"]);
    const modes = filters.words("mode", MODES);
    const view = await readSwarm(backend);
    const services = [...view.services.all()].filter(
      (service) =>
        filters.allowsPrefix("id", service.id) &&
        filters.allowsPrefix("name", service.spec?.name ?? "") &&
        filters.allowsLabels("label", service.spec?.labels ?? {}) &&
        filters.allows("runtime", service.spec?.task?.runtime ?? "container") &&
        (modes.length === 0 || modes.includes(serviceModeWord(service.spec?.mode ?? null))),
    );
    const isStatusWanted = query.flag("status");
    return sendJson(
      reply,
      services.map((service) => serviceToDocker(service, isStatusWanted ? { counts: countTasks(service, view.tasks.byService(service.id)) } : {})),
    );
  });

  app.post("/services/create", async (request, reply) => {
    requireManager(backend);
    const given = serviceSpecFromDocker(await requireJsonBody(request), {
      apiMinor: apiMinorOf(request.raw),
      registryAuth: registryAuthOf(request),
    });
    const spec = given.name === "" ? { ...given, name: await freeName() } : given;
    const answer = await writeSwarm(backend, { type: "createService", createService: { spec } });
    if (answer.type !== "service") throw wrongReply(answer);
    return sendJson(reply, { ID: answer.service.id }, 201);
  });

  async function freeName(): Promise<string> {
    const { services } = await readSwarm(backend);
    return randomName(systemRandom, (name) => services.byName(name).length > 0);
  }

  app.get<ById>("/services/:id", async (request, reply) => {
    const service = findService(await readSwarm(backend), request.params.id);
    return sendJson(reply, serviceToDocker(service, { insertDefaults: new Query(request).flag("insertDefaults") }));
  });

  app.post<ById>("/services/:id/update", async (request, reply) => {
    requireManager(backend);
    const query = new Query(request);
    const version = query.version("service");
    const spec = serviceSpecFromDocker(await requireJsonBody(request), {
      apiMinor: apiMinorOf(request.raw),
      registryAuth: registryAuthOf(request),
    });
    const rollback = wordOf(query, "rollback", { "": "none", none: "none", previous: "previous" } as const);
    const registryAuthSource = wordOf(query, "registryAuthFrom", { "": "spec", spec: "spec", "previous-spec": "previous_spec" } as const);
    const service = findService(await readSwarm(backend), request.params.id);
    await writeSwarm(backend, {
      type: "updateService",
      updateService: { serviceId: service.id, version, spec, rollback, registryAuthSource },
    });
    return sendJson(reply, { Warnings: null });
  });

  app.delete<ById>("/services/:id", async (request, reply) => {
    const service = findService(await readSwarm(backend), request.params.id);
    await writeSwarm(backend, { type: "removeService", removeService: { serviceId: service.id } });
    return sendEmpty(reply);
  });
}

function wordOf<T extends string>(query: Query, name: string, words: Readonly<Record<string, T>>): T {
  const text = query.text(name);
  const word = Object.hasOwn(words, text) ? words[text] : undefined;
  if (word === undefined) throw badRequest(`unrecognized value for ${name}: "${text}"`);
  return word;
}
