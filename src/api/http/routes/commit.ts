import type { FastifyInstance } from "fastify";
import { commitContainer } from "../../../engine/commit.js";
import { applyChanges } from "../../../runtime/images/import-changes.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import { sendJson } from "../answer.js";
import { readJsonBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { exposedFromDocker } from "../convert/container-ports.js";
import { Fields } from "../convert/fields.js";
import { withTag } from "../image-path.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";

/** `docker commit`: an image of a container. */
export function commitRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  app.post("/commit", async (request, reply) => {
    const query = new Query(request);
    const body = await readJsonBody(request);
    const container = findContainer(backend.containers, query.text("container"));
    const overrides = overridesFromDocker(new Fields(body ?? {}, ""));
    const changes = query.all("changes").flatMap((change) => change.split("\n"));
    const image = await commitContainer(backend, container, {
      reference: query.text("repo") === "" ? "" : withTag(query.text("repo"), query.text("tag")),
      author: query.text("author"),
      message: query.text("comment"),
      isPaused: query.text("pause") === "" || query.flag("pause"),
      change: (config) => applyChanges(overrides(config), changes),
    });
    backend.engine.tell("commit", container.config.id, { comment: query.text("comment"), imageID: image.id, imageRef: image.tags[0] ?? "" });
    return sendJson(reply, { Id: image.id }, 201);
  });
}

/** A container's configuration in the body takes the place of the container's own, where it says something. Throws 501 for what an image does not keep. */
function overridesFromDocker(fields: Fields): (config: ImageConfig) => ImageConfig {
  const given = {
    user: fields.string("User"),
    exposedPorts: exposedFromDocker(fields),
    env: fields.strings("Env"),
    entrypoint: fields.strings("Entrypoint"),
    command: fields.strings("Cmd"),
    volumes: fields.entries("Volumes").map(({ key }) => key),
    workingDir: fields.string("WorkingDir"),
    labels: fields.record("Labels"),
    stopSignal: fields.string("StopSignal"),
  };
  // Of a container alone: an image says nothing of them.
  fields.ignore(
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "ArgsEscaped",
    "StopTimeout",
  );
  // Some SDKs put the query into the body as well.
  fields.ignore("container", "repo", "tag", "comment", "author", "changes", "pause");
  fields.end();
  const namesOf = (env: readonly string[]) => new Set(env.map((entry) => entry.split("=", 1)[0]));
  return (config) => ({
    ...config,
    user: given.user || config.user,
    exposedPorts: [...new Set([...config.exposedPorts, ...given.exposedPorts])],
    env: [...config.env.filter((entry) => !namesOf(given.env).has(entry.split("=", 1)[0])), ...given.env],
    entrypoint: given.entrypoint.length > 0 ? given.entrypoint : config.entrypoint,
    command: given.command.length > 0 || given.entrypoint.length > 0 ? given.command : config.command,
    volumes: [...new Set([...config.volumes, ...given.volumes])],
    workingDir: given.workingDir || config.workingDir,
    labels: { ...config.labels, ...given.labels },
    stopSignal: given.stopSignal || config.stopSignal,
  });
}
