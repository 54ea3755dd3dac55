import type { ContainerInfo } from "../../runtime/container-runtime.js";
import type { Backend } from "./backend.js";

/** What a container takes on disk. */
export interface ContainerSizes {
  /** Its own writable layer. */
  readonly writableBytes: number;
  /** With its image. */
  readonly rootBytes: number;
}

/** By container id. Containers that are removed meanwhile are left out. */
export async function sizesOf(
  { containers, images }: Pick<Backend, "containers" | "images">,
  of: readonly ContainerInfo[],
): Promise<ReadonlyMap<string, ContainerSizes>> {
  const writable = await containers.files.sizes(of.map(({ config }) => config.id));
  const sizes = new Map<string, ContainerSizes>();
  for (const { config, imageId } of of) {
    const writableBytes = writable.get(config.id);
    if (writableBytes !== undefined) sizes.set(config.id, { writableBytes, rootBytes: writableBytes + (images.resolve(imageId)?.sizeBytes ?? 0) });
  }
  return sizes;
}
