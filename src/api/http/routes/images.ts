import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ImageInfo, ImageRemoval } from "../../../runtime/image-store.js";
import { sendEmpty, sendJson } from "../answer.js";
import { sendArchive } from "../archive-stream.js";
import { streamBody } from "../body.js";
import { imageSharing } from "../image-sharing.js";
import type { RouteContext } from "../context.js";
import { historyToDocker, imageSummaryToDocker, imageToDocker } from "../convert/image.js";
import { HttpError } from "../errors.js";
import { Filters } from "../filters.js";
import { assertAllKnown } from "../left-alone.js";
import { IMAGE_FILTERS, imageFilter, unwantedImageFilter, withWantedNames } from "../image-filter.js";
import { imagePath, noSuchImage, wildcardOf, withTag } from "../image-path.js";
import { importImage } from "../import-image.js";
import type { Json } from "../json.js";
import { Query } from "../query.js";
import { pullImage, pushImage } from "./registry.js";
import { progressError, progressLine, sendStream } from "../stream.js";
import { apiMinorOf } from "../version.js";

/** Images of this host: listed, pulled, imported, loaded, saved, tagged, pushed and removed. */
export function imageRoutes(app: FastifyInstance, context: RouteContext): void {
  const { images, containers } = context.backend;

  app.get("/images/json", async (request, reply) => {
    const filters = Filters.parse(new Query(request), IMAGE_FILTERS);
    const isWanted = imageFilter(filters, { nowMs: context.clock.now(), findImage: resolved });
    const wanted = images.list().filter(isWanted);
    const sharing = new Query(request).flag("shared-size") ? imageSharing(images) : null;
    const usersOf = (id: string) => containers.list().filter((container) => container.imageId === id).length;
    const newestFirst = wanted.toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    return sendJson(
      reply,
      newestFirst.map((image) => imageSummaryToDocker(withWantedNames(image, filters), usersOf(image.id), sharing?.sharedBytes(image))),
    );
  });

  app.post("/images/create", async (request, reply) => {
    const query = new Query(request);
    if (query.text("fromImage") !== "") return await pullImage(context, request, reply, query);
    if (query.text("fromSrc") === "") throw new HttpError(400, "fromSrc or fromImage must be given");
    return await importImage(context, request, reply, query);
  });

  app.post("/images/load", async (request, reply) => {
    const loaded = await images.load(streamBody(request));
    const lines = loaded.map(({ id, reference }) => (reference === "" ? `Loaded image ID: ${id}\n` : `Loaded image: ${reference}\n`));
    await sendStream(context, request, reply, { contentType: "application/json", errorText: progressError }, async (writer) => {
      for (const stream of lines) await writer.write(progressLine({ stream }));
    });
    return undefined;
  });

  app.get("/images/get", async (request, reply) => {
    const names = new Query(request).all("names").flatMap((name) => name.split(","));
    return await save(request, reply, names);
  });

  app.post("/images/prune", async (request, reply) => {
    assertAllKnown(containers);
    const filters = Filters.parse(new Query(request), ["dangling", "label", "label!", "until"]);
    const isUnwanted = unwantedImageFilter(filters, context.clock.now());
    const { removals, freedBytes } = await images.prune({ isWanted: (image) => isUsed(image.id) || !isUnwanted(image) });
    context.backend.engine.events.tellOfPrune("image", freedBytes, context.clock.now());
    return sendJson(reply, { ImagesDeleted: removals.length === 0 ? null : removals.map(removalToDocker), SpaceReclaimed: freedBytes });
  });

  app.get("/images/*", async (request, reply) => {
    const { name, verb } = imagePath(request, ["json", "history", "get"]);
    if (verb === "get") return await save(request, reply, [name]);
    const image = resolved(name);
    if (verb === "json") return sendJson(reply, imageToDocker(image, images.layerFolders(image.id), apiMinorOf(request.raw)));
    return sendJson(reply, historyToDocker(image, images.history(name)));
  });

  app.post("/images/*", async (request, reply) => {
    const { name, verb } = imagePath(request, ["tag", "push"]);
    if (verb === "push") return await pushImage(context, request, reply, name);
    const query = new Query(request);
    resolved(name);
    await images.tag(name, withTag(query.text("repo"), query.text("tag")));
    return sendEmpty(reply, 201);
  });

  app.delete("/images/*", async (request, reply) => {
    assertAllKnown(containers);
    const removals = await images.remove(wildcardOf(request), {
      force: new Query(request).flag("force"),
      isInUse: isUsed,
    });
    return sendJson(reply, removals.map(removalToDocker));
  });

  async function save(request: FastifyRequest, reply: FastifyReply, names: readonly string[]): Promise<undefined> {
    if (names.length === 0) throw new HttpError(400, "names of images must be given");
    return await sendArchive(context, request, reply, await images.save(names));
  }

  function isUsed(id: string): boolean {
    return containers.list().some((container) => container.imageId === id);
  }

  function resolved(name: string): ImageInfo {
    const image = images.resolve(name);
    if (image === undefined) throw noSuchImage(name);
    return image;
  }
}

function removalToDocker(removal: ImageRemoval): Json {
  return removal.type === "untagged" ? { Untagged: removal.reference } : { Deleted: removal.id };
}
