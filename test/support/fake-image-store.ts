import type { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { ImageInfo, ImageRemoval, ImageStore, ImportOptions } from "../../src/runtime/image-store.js";
import { imageInfo, PartialImageStore } from "./partial-image-store.js";

/** Images by name, without content. */
export class FakeImageStore extends PartialImageStore {
  readonly names: Set<string>;

  /** References with a digest, by name: those of images that came from a registry. */
  readonly digests = new Map<string, readonly string[]>();

  constructor(names: readonly string[]) {
    super();
    this.names = new Set(names);
  }

  override async import(_tar: Readable, options: ImportOptions): Promise<ImageInfo> {
    this.names.add(options.reference);
    return named(options.reference);
  }

  override async tag(reference: string, target: string): Promise<void> {
    if (!this.names.has(reference)) throw new ClusterError("not_found", `No such image: ${reference}`);
    this.names.add(target);
  }

  override resolve(reference: string): ImageInfo | undefined {
    return this.names.has(reference) ? imageInfo({ tags: [reference], digests: this.digests.get(reference) ?? [] }) : undefined;
  }

  override list(): readonly ImageInfo[] {
    return [...this.names].map(named);
  }

  override async remove(reference: string): Promise<readonly ImageRemoval[]> {
    if (!this.names.delete(reference)) throw new ClusterError("not_found", `No such image: ${reference}`);
    return [{ type: "untagged", reference }];
  }

  override async prune(): ReturnType<ImageStore["prune"]> {
    return { removals: [], freedBytes: 0 };
  }
}

function named(name: string): ImageInfo {
  return imageInfo({ tags: [name] });
}
