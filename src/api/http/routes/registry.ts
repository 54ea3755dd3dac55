import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { familiarName, familiarReference, parseReference } from "../../../model/image-reference.js";
import type { TransferProgress } from "../../../runtime/image-transfer.js";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { requireJsonBody } from "../body.js";
import { Fields } from "../convert/fields.js";
import { distributionToDocker, progressToDocker } from "../convert/transfer.js";
import { badRequest, notFound, notSupported } from "../errors.js";
import { imagePath, withTag } from "../image-path.js";
import { type Json, stringifyJson } from "../json.js";
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

  /** Only says whether the registry knows them: clients keep credentials themselves. */
  app.post("/auth", async (request, reply) => {
    const body = await requireJsonBody(request);
    const fields = new Fields(body, "");
    const domain = registryDomain(fields.string("serveraddress"));
    const credentials = Buffer.from(stringifyJson(body as Json)).toString("base64url");
    const identityToken = await transfer.login(domain, { credentials, signal: goneSignal(reply, context) });
    return sendJson(reply, { Status: "Login Succeeded", IdentityToken: identityToken });
  });

  app.get("/images/search", async () => {
    throw notSupported("searching registries is not supported: images are pulled by their names");
  });
}

/** `https://index.docker.io/v1/` is how clients call Docker Hub; of others a scheme and a path mean nothing. */
function registryDomain(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  if (["", "docker.io", "index.docker.io", "registry-1.docker.io"].includes(host)) return "docker.io";
  if (!URL.canParse(`https://${host}`) || new URL(`https://${host}`).username !== "") throw badRequest(`"${address}" is not the address of a registry`);
  return host;
}

/** Streams the progress of a pull. What goes wrong before there is any is the status of the answer. */
export async function pullImage(context: RouteContext, request: FastifyRequest, reply: FastifyReply, query: Query): Promise<FastifyReply | undefined> {
  const { transfer } = context.backend;
  const [from, tag] = [query.text("fromImage"), query.text("tag")];
  const reference = parseReference(withTag(from, tag));
  const options = { platform: query.text("platform"), credentials: registryAuthOf(request) };
  return await streamProgress(context, request, reply, async (emit, signal) => {
    const isAll = tag === "" && !hasTag(from);
    const names = isAll ? (await transfer.tags(from, { ...options, signal })).map((each) => `${from}:${each}`) : [withTag(from, tag)];
    let isAnyNew = false;
    for (const name of names) {
      const { digest, isNew } = await transfer.pull(name, { ...options, signal, onProgress: emitting(emit) });
      isAnyNew ||= isNew;
      emit({ status: `Digest: ${digest}` });
    }
    const what = isAll ? familiarName(reference) : familiarReference(reference);
    emit({ status: `Status: ${isAnyNew ? "Downloaded newer image" : "Image is up to date"} for ${what}` });
  });
}

/** Without one, every tag is meant: who wants the latest says so (`docker pull --all-tags`). */
function hasTag(name: string): boolean {
  return name.includes("@") || name.lastIndexOf(":") > name.lastIndexOf("/");
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
