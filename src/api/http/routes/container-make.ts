import { lchown, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FastifyInstance } from "fastify";
import { messageOf, systemCodeOf } from "../../../base/errors.js";
import { newContainerId } from "../../../base/ids.js";
import { systemRandom } from "../../../base/random.js";
import { assertFor, parsePlatform } from "../../../runtime/images/platform.js";
import { sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { RouteContext } from "../context.js";
import { containerFromDocker } from "../convert/container-create.js";
import { Fields } from "../convert/fields.js";
import { badRequest } from "../errors.js";
import { noSuchImage } from "../image-path.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { randomName } from "../random-name.js";
import { apiMinorOf } from "../version.js";

/** Makes containers of this host, and the folders of the host that are mounted into them. */
export function containerMakeRoutes(app: FastifyInstance, { backend }: RouteContext): void {
  const { containers, engine, images, host } = backend;
  const { userRemap } = host;

  app.post("/containers/create", async (request, reply) => {
    const query = new Query(request);
    const body = await requireJsonBody(request);
    const reference = new Fields(body, "").string("Image");
    if (reference === "") throw badRequest("no image was named");
    const image = images.resolve(reference);
    if (image === undefined) throw noSuchImage(reference);
    const platform = query.text("platform");
    if (platform !== "") assertFor(image, parsePlatform(platform), reference);
    const id = newContainerId();
    const name = query.text("name").replace(/^\//, "") || randomName(systemRandom, (candidate) => containers.inspect(candidate) !== undefined);
    const made = containerFromDocker(body, {
      id,
      name,
      image: image.config,
      findContainer: (other) => findContainer(containers, other),
      isRemapped: userRemap !== null,
      abilities: containers.abilities,
      apiMinor: apiMinorOf(request.raw),
    });
    const owner = made.config.usesHostUsers === true ? null : (userRemap?.root ?? null);
    for (const folder of made.foldersToMake) await makeFolder(folder, owner);
    await engine.create(made.config, made.network);
    return sendJson(reply, { Id: id, Warnings: made.warnings }, 201);
  });
}

/** With the folders above it; what is made belongs to `owner`. What is there stays as it is: a file or a link, for instance, is as good a source. */
async function makeFolder(folder: string, owner: { readonly uid: number; readonly gid: number } | null): Promise<void> {
  try {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined || owner === null) return;
    for (let made = resolve(folder); made.length >= first.length; made = dirname(made)) await lchown(made, owner.uid, owner.gid);
  } catch (cause) {
    if (systemCodeOf(cause) !== "EEXIST") throw badRequest(`cannot make the bind source: ${messageOf(cause)}`);
  }
}
