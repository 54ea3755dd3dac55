import type { ImageInfo, ImageStore } from "../../runtime/image-store.js";

/** What images have in common: layers are kept once, whoever uses them. */
export interface ImageSharing {
  /** Of all layers, each once. */
  readonly totalBytes: number;
  /** Of those layers of an image that another one has, too. */
  sharedBytes(image: ImageInfo): number;
}

export function imageSharing(images: Pick<ImageStore, "list" | "layerSizeBytes">): ImageSharing {
  const users = new Map<string, number>();
  for (const { layers } of images.list()) for (const diffId of new Set(layers)) users.set(diffId, (users.get(diffId) ?? 0) + 1);
  const sum = (layers: Iterable<string>) => [...layers].reduce((bytes, diffId) => bytes + images.layerSizeBytes(diffId), 0);
  return {
    totalBytes: sum(users.keys()),
    sharedBytes: ({ layers }) => sum(layers.filter((diffId) => (users.get(diffId) ?? 0) > 1)),
  };
}
