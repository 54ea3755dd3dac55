import { isClusterError } from "../base/errors.js";
import type { ContainerInfo, ContainerRuntime } from "../runtime/container-runtime.js";
import type { ImageConfig, ImageInfo, ImageStore } from "../runtime/image-store.js";
import { EMPTY_CONFIG } from "../runtime/images/import-changes.js";
import { exposedPortsOf, mergeEnv, programOf } from "../runtime/process-config.js";

export interface CommitRequest {
  /** Empty leaves the image without a name. */
  readonly reference: string;
  readonly author: string;
  readonly message: string;
  /** Frozen meanwhile, if it runs: no file is caught half-written. */
  readonly isPaused: boolean;
  /** What the new image says, by what it would say. Called before anything is done. */
  readonly change: (config: ImageConfig) => ImageConfig;
}

/**
 * Makes an image of a container: its image with one more layer, its writable one. Throws as ImageStore.commit, and what `change` throws.
 */
export async function commitContainer(
  { containers, images }: { readonly containers: ContainerRuntime; readonly images: ImageStore },
  container: ContainerInfo,
  request: CommitRequest,
): Promise<ImageInfo> {
  const { id } = container.config;
  const parent = images.resolve(container.imageId);
  const config = request.change(configOf(container, parent?.config ?? EMPTY_CONFIG));
  const { reference, author, message } = request;
  const isFrozen = request.isPaused && container.state === "running" && !container.isPaused;
  if (isFrozen) await containers.pause(id, { isBrief: true });
  try {
    const layer = await containers.files.layer(id);
    return await images.commit(container.imageId, layer, { reference, author, message, config, createdBy: container.args.join(" ") });
  } finally {
    if (isFrozen) await containers.unpause(id).catch(ignoreEnded);
  }
}

/** What the container was told on top of what its image says, so that the new image runs as the container does. */
function configOf({ config }: ContainerInfo, image: ImageConfig): ImageConfig {
  return {
    ...image,
    user: config.user || image.user,
    exposedPorts: exposedPortsOf(config, image),
    env: mergeEnv([...image.env, ...config.env]),
    ...programOf(config, image),
    volumes: [...new Set([...image.volumes, ...config.mounts.filter(({ volume }) => volume?.isAnonymous === true).map(({ target }) => target)])],
    workingDir: config.workingDir || image.workingDir,
    labels: { ...image.labels, ...config.labels },
    stopSignal: config.stopSignal || image.stopSignal,
    health: (config.health?.test.length ?? 0) > 0 ? config.health : image.health,
  };
}

/** Somebody killed or thawed it meanwhile. */
function ignoreEnded(cause: unknown): void {
  if (!isClusterError(cause, "conflict") && !isClusterError(cause, "not_found")) throw cause;
}
