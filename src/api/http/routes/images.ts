import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ImageInfo } from "../../../runtime/image-store.js";
import { sendEmpty, sendJson } from "../answer.js";
import { streamBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { imageSummaryToDocker, imageToDocker } from "../convert/image.js";
import { HttpError, notFound, notSupported, PAGE_NOT_FOUND_TEXT } from "../errors.js";
import { Filters } from "../filters.js";
import { Query } from "../query.js";
import { progressError, progressLine, sendStream } from "../stream.js";

const NO_REGISTRIES_TEXT = "registries are not supported yet: bring the image to each node with docker import";
const LIST_FILTERS = ["before", "dangling", "label", "reference", "since", "until"];

export function imageRoutes(app: FastifyInstance, context: RouteContext): void {
  const { images, containers } = context.backend;

  app.get("/images/json", async (request, reply) => {
    const filters = Filters.parse(new Query(request), LIST_FILTERS);
    for (const key of ["before", "since", "until"]) if (filters.has(key)) throw notSupported(`the filter "${key}" of images is not supported yet`);
    const dangling = filters.words("dangling", ["true", "false", "1", "0"]);
    const isDangling = (image: ImageInfo) => image.tags.length === 0;
    const wanted = images
      .list()
      .filter(
        (image) =>
          filters.allowsLabels("label", image.config.labels) &&
          (dangling.length === 0 || dangling.some((word) => (word === "true" || word === "1") === isDangling(image))) &&
          (!filters.has("reference") || image.tags.some((tag) => filters.get("reference").some((pattern) => matchesReference(tag, pattern)))),
      );
    const newestFirst = wanted.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    return sendJson(
      reply,
      newestFirst.map((image) => imageSummaryToDocker(image, containers.list().filter((container) => container.imageId === image.id).length)),
    );
  });

  app.post("/images/create", async (request, reply) => {
    const query = new Query(request);
    if (query.text("fromImage") !== "") throw notFound(NO_REGISTRIES_TEXT);
    if (query.text("fromSrc") === "") throw new HttpError(400, "fromSrc or fromImage must be given");
    if (query.text("fromSrc") !== "-") throw notSupported("import from a URL is not supported yet: send the archive in the request body (docker import -)");
    return await importImage(context, request, reply, query);
  });

  app.post("/images/load", async () => {
    throw notSupported("docker load is not supported yet: use docker import");
  });
  app.get("/images/get", async () => {
    throw notSupported("docker save is not supported yet");
  });
  app.get("/images/search", async () => {
    throw notSupported(NO_REGISTRIES_TEXT);
  });
  app.post("/images/prune", async () => {
    throw notSupported("docker image prune is not supported yet");
  });

  app.get("/images/*", async (request, reply) => {
    const { name, verb } = imagePath(request, ["json", "history"]);
    const image = resolved(name);
    if (verb === "json") return sendJson(reply, imageToDocker(image));
    return sendJson(reply, [
      {
        Id: image.id,
        Created: Math.floor(image.createdAtMs / 1000),
        CreatedBy: "",
        Tags: image.tags.length === 0 ? null : image.tags,
        Size: image.sizeBytes,
        Comment: image.comment,
      },
    ]);
  });

  app.post("/images/*", async (request, reply) => {
    const { name, verb } = imagePath(request, ["tag", "push"]);
    if (verb === "push") throw notSupported(NO_REGISTRIES_TEXT);
    const query = new Query(request);
    resolved(name);
    await images.tag(name, withTag(query.text("repo"), query.text("tag")));
    return sendEmpty(reply, 201);
  });

  app.delete("/images/*", async (request, reply) => {
    const name = (request.params as { readonly "*": string })["*"];
    resolved(name);
    const removals = await images.remove(name, {
      force: new Query(request).flag("force"),
      isInUse: (imageId) => containers.list().some((container) => container.imageId === imageId),
    });
    return sendJson(
      reply,
      removals.map((removal) => (removal.type === "untagged" ? { Untagged: removal.reference } : { Deleted: removal.id })),
    );
  });

  function resolved(name: string): ImageInfo {
    const image = images.resolve(name);
    if (image === undefined) throw notFound(`No such image: ${withTag(name, "")}`);
    return image;
  }
}

/** Names of images contain slashes: the verb is what follows the last one. */
function imagePath<T extends string>(request: FastifyRequest, verbs: readonly T[]): { readonly name: string; readonly verb: T } {
  const path = (request.params as { readonly "*": string })["*"];
  const split = path.lastIndexOf("/");
  const verb = verbs.find((candidate) => candidate === path.slice(split + 1));
  if (split <= 0 || verb === undefined) throw notFound(PAGE_NOT_FOUND_TEXT);
  return { name: path.slice(0, split), verb };
}

/** `repo` and `tag` as they come apart in queries; a repo may already carry its tag. */
function withTag(repo: string, tag: string): string {
  if (tag === "") return repo;
  return tag.includes(":") ? `${repo}@${tag}` : `${repo}:${tag}`;
}

/** The archive goes to the image store as it comes in. Once it is accepted, failures are lines of the stream. */
async function importImage(context: RouteContext, request: FastifyRequest, reply: FastifyReply, query: Query): Promise<FastifyReply | undefined> {
  const image = await context.backend.images.import(streamBody(request), {
    reference: withTag(query.text("repo"), query.text("tag")),
    message: query.text("message"),
    changes: query
      .all("changes")
      .flatMap((change) => change.split("\n"))
      .filter((change) => change.trim() !== ""),
    platform: query.text("platform"),
  });
  await sendStream(context, request, reply, { contentType: "application/json", errorText: progressError }, (writer) =>
    writer.write(progressLine({ status: image.id })),
  );
  return undefined;
}

/** `*` and `?` match within one part of a path, as in a shell; a pattern without a tag means any tag. */
function matchesReference(tag: string, pattern: string): boolean {
  const regex = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]")}$`,
  );
  return regex.test(tag) || regex.test(tag.replace(/:[^:/]+$/, ""));
}
