import type { FastifyInstance } from "fastify";
import { sendJson } from "../answer.js";
import { sizesOf } from "../container-sizes.js";
import type { RouteContext } from "../context.js";
import { containerSummaryToDocker } from "../convert/container-summary.js";
import { imageSummaryToDocker } from "../convert/image.js";
import { volumeUsageToDocker } from "../convert/volume.js";
import { badRequest } from "../errors.js";
import { imageSharing } from "../image-sharing.js";
import type { Json } from "../json.js";
import { Query } from "../query.js";
import { apiMinorOf } from "../version.js";

/** From this version on, the sizes of the build cache's records say it. */
const BUILDER_SIZE_UNTIL = 42;
const TYPES = ["container", "image", "volume", "build-cache"];

/** `docker system df`: what everything on this host takes. */
export function diskUsageRoutes(app: FastifyInstance, { backend, clock }: RouteContext): void {
  app.get("/system/df", async (request, reply) => {
    const asked = new Query(request).all("type");
    const unknown = asked.find((type) => !TYPES.includes(type));
    if (unknown !== undefined) throw badRequest(`unknown object type: ${unknown}`);
    const isAsked = (type: string) => asked.length === 0 || asked.includes(type);
    const sharing = imageSharing(backend.images);
    return sendJson(reply, {
      LayersSize: isAsked("image") ? sharing.totalBytes : 0,
      Images: isAsked("image") ? imagesOnDisk() : null,
      Containers: isAsked("container") ? await containersOnDisk() : null,
      Volumes: isAsked("volume") ? (await backend.volumes.usage()).map(volumeUsageToDocker) : null,
      BuildCache: isAsked("build-cache") ? [] : null,
      ...(apiMinorOf(request.raw) < BUILDER_SIZE_UNTIL ? { BuilderSize: 0 } : {}),
    });

    function imagesOnDisk(): Json {
      const containers = backend.containers.list();
      const usersOf = (id: string) => containers.filter(({ imageId }) => imageId === id).length;
      return backend.images.list().map((image) => imageSummaryToDocker(image, usersOf(image.id), sharing.sharedBytes(image)));
    }
  });

  async function containersOnDisk(): Promise<Json> {
    const containers = backend.containers.list();
    const sizes = await sizesOf(backend, containers);
    return containers.map((container) => {
      const { id } = container.config;
      const image = backend.images.resolve(container.imageId)?.config ?? null;
      return containerSummaryToDocker(container, { ports: backend.publishedPorts(id), image, nowMs: clock.now(), sizes: sizes.get(id) });
    });
  }
}
