import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { familiarName, familiarReference, parseReference } from "../../../model/image-reference.js";
import type { TransferProgress } from "../../../runtime/image-transfer.js";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { distributionToDocker, progressToDocker } from "../convert/transfer.js";
import { notFound, notSupported } from "../errors.js";
import { imagePath, withTag } from "../image-path.js";
import type { Json } from "../json.js";
import { goneSignal, streamProgress } from "../progress-stream.js";
import { Query } from "../query.js";
import { registryAuthOf } from "../registry-auth.js";

/** Images to and from registries: the rest of pulling is POST /images/create. */
export function registryRoutes(app: FastifyInstance, context: RouteContext): void {
  const { transfer, images } = context.backend;

  app.get("/distribution/*", async (request, reply) => {
    const { name } = imagePath(request, ["json"]);
    const gone = goneSignal(reply, context);
    const local = images.resolve(name);
    const isOwn = local !== undefined && local.digests.length === 0 && parseReference(name).domain === "docker.io";
    // At once: clients ask before they create a service, and this host may have no way to Docker Hub.
    if (isOwn) throw notFound(`${familiarReference(parseReference(name))} was brought to this node without a registry: there is none to ask`);
    return sendJson(reply, distributionToDocker(await transfer.inspect(name, { credentials: registryAuthOf(request), signal: gone })));
  });

  app.get("/images/search", async () => {
    throw notSupported("searching registries is not supported: images are pulled by their names");
  });
}

/** Streams the progress of a pull. What goes wrong before there is any is the status of the answer. */
export async function pullImage(context: RouteContext, request: FastifyRequest, reply: FastifyReply, query: Query): Promise<FastifyReply | undefined> {
  const name = withTag(query.text("fromImage"), query.text("tag"));
  const reference = parseReference(name);
  const options = { platform: query.text("platform"), credentials: registryAuthOf(request) };
  return await streamProgress(context, request, reply, async (emit, signal) => {
    const { digest, isNew } = await context.backend.transfer.pull(name, { ...options, signal, onProgress: emitting(emit) });
    emit({ status: `Digest: ${digest}` });
    emit({ status: `Status: ${isNew ? "Downloaded newer image" : "Image is up to date"} for ${familiarReference(reference)}` });
  });
}

/** Without a tag, every tag of the repository that is here goes. */
export async function pushImage(context: RouteContext, request: FastifyRequest, reply: FastifyReply, name: string): Promise<FastifyReply | undefined> {
  const { images, transfer } = context.backend;
  const tag = new Query(request).text("tag");
  const repository = familiarName(parseReference(name));
  const tagged = images
    .list()
    .flatMap((image) => image.tags)
    .filter((candidate) => familiarName(parseReference(candidate)) === repository);
  const references = tag !== "" ? [withTag(name, tag)] : name !== repository && parseReference(name).tag !== "latest" ? [name] : tagged;
  if (references.length === 0 || (tag !== "" && images.resolve(withTag(name, tag)) === undefined)) {
    throw notFound(`An image does not exist locally with the tag: ${tag === "" ? name : withTag(name, tag)}`);
  }
  const credentials = registryAuthOf(request);
  return await streamProgress(context, request, reply, async (emit, signal) => {
    for (const reference of references) {
      const pushed = await transfer.push(reference, { credentials, signal, onProgress: emitting(emit) });
      emit({ progressDetail: {}, aux: { Tag: pushed.tag, Digest: pushed.digest, Size: pushed.sizeBytes } });
    }
  });
}

/** Of what is counted the newest says all. */
function emitting(emit: (line: Json, key?: string) => void): (progress: TransferProgress) => void {
  return (progress) => emit(progressToDocker(progress), progress.currentBytes === undefined ? "" : `${progress.status} ${progress.id}`);
}
