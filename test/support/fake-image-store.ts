import type { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { HistoryStep, ImageInfo, ImageRemoval, ImageStore, ImportOptions } from "../../src/runtime/image-store.js";

/** Images by name, without content. */
export class FakeImageStore implements ImageStore {
  readonly names: Set<string>;

  /** References with a digest, by name: those of images that came from a registry. */
  readonly digests = new Map<string, readonly string[]>();

  constructor(names: readonly string[]) {
    this.names = new Set(names);
  }

  async import(_tar: Readable, options: ImportOptions): Promise<ImageInfo> {
    this.names.add(options.reference);
    return imageInfo(options.reference);
  }

  async tag(reference: string, target: string): Promise<void> {
    if (!this.names.has(reference)) throw new ClusterError("not_found", `No such image: ${reference}`);
    this.names.add(target);
  }

  resolve(reference: string): ImageInfo | undefined {
    return this.names.has(reference) ? { ...imageInfo(reference), digests: this.digests.get(reference) ?? [] } : undefined;
  }

  list(): readonly ImageInfo[] {
    return [...this.names].map(imageInfo);
  }

  async remove(reference: string): Promise<readonly ImageRemoval[]> {
    if (!this.names.delete(reference)) throw new ClusterError("not_found", `No such image: ${reference}`);
    return [{ type: "untagged", reference }];
  }

  commit(): never {
    throw new ClusterError("unimplemented", "this store only has names");
  }

  load(): never {
    throw new ClusterError("unimplemented", "this store only has names");
  }

  save(): never {
    throw new ClusterError("unimplemented", "this store only has names");
  }

  history(): readonly HistoryStep[] {
    return [];
  }

  async prune(): ReturnType<ImageStore["prune"]> {
    return { removals: [], freedBytes: 0 };
  }

  /** Nobody is told. */
  onChange(): () => void {
    return () => undefined;
  }

  layerSizeBytes(): number {
    return 0;
  }

  layerFolders(): readonly string[] {
    return [];
  }
}

function imageInfo(name: string): ImageInfo {
  const config = {
    user: "",
    exposedPorts: [],
    env: [],
    entrypoint: [],
    command: [],
    volumes: [],
    workingDir: "",
    labels: {},
    stopSignal: "",
    health: null,
    shell: [],
  };
  const about = { createdAtMs: 0, sizeBytes: 0, architecture: "amd64", variant: "", os: "linux", author: "", comment: "" };
  return { id: "sha256:fake", tags: [name], digests: [], ...about, layers: [], config };
}
