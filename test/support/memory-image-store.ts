import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { CommitOptions, HistoryStep, ImageInfo, ImageRemoval, ImageStore, ImportOptions, LoadedImage } from "../../src/runtime/image-store.js";
import { EMPTY_CONFIG } from "../../src/runtime/images/import-changes.js";
import { imageInfo, PartialImageStore } from "./partial-image-store.js";

/** Images without files: an import reads its archive to the end and keeps the digest. Names are familiar ones with a tag. */
export class MemoryImageStore extends PartialImageStore {
  readonly #images = new Map<string, ImageInfo>();
  /** Fails the next import with this, after the archive was read. */
  importError: ClusterError | null = null;
  readonly imports: (ImportOptions & { readonly sizeBytes: number })[] = [];

  override async import(tar: Readable, options: ImportOptions): Promise<ImageInfo> {
    const digest = createHash("sha256").update(options.changes.join("\n"));
    let sizeBytes = 0;
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      digest.update(chunk);
      sizeBytes += chunk.length;
    }
    if (this.importError !== null) throw this.importError;
    this.imports.push({ ...options, sizeBytes });
    const id = `sha256:${digest.digest("hex")}`;
    const tags = options.reference === "" ? [] : [familiar(options.reference)];
    for (const tag of tags) this.#untag(tag);
    const config = { ...EMPTY_CONFIG, command: ["sleep"] };
    const image = imageInfo({ id, tags, createdAtMs: 1_700_000_000_000, sizeBytes, layers: [id], config });
    this.#images.set(id, image);
    return image;
  }

  /** The new image is as large as its parent and the layer. */
  override async commit(imageId: string, layer: Readable, options: CommitOptions): Promise<ImageInfo> {
    const parent = this.resolve(imageId);
    const { id, sizeBytes } = await this.import(layer, { reference: options.reference, message: options.message, changes: [], platform: "" });
    const { author, message: comment, config } = options;
    const image = {
      ...(parent ?? this.#images.get(id)!),
      id,
      tags: this.#images.get(id)!.tags,
      sizeBytes: sizeBytes + (parent?.sizeBytes ?? 0),
      author,
      comment,
      config,
    };
    this.#images.set(id, image);
    return image;
  }

  override async tag(reference: string, target: string): Promise<void> {
    const image = this.resolve(reference);
    if (image === undefined) throw new ClusterError("not_found", `No such image: ${reference}`);
    const tag = familiar(target);
    this.#untag(tag);
    this.#images.set(image.id, { ...image, tags: [...image.tags, tag] });
  }

  override resolve(reference: string): ImageInfo | undefined {
    const tag = familiar(reference);
    return this.list().find((image) => image.tags.includes(tag) || image.id === reference || image.id.startsWith(`sha256:${reference}`));
  }

  override list(): readonly ImageInfo[] {
    return [...this.#images.values()];
  }

  override async remove(reference: string, options: Parameters<ImageStore["remove"]>[1]): Promise<readonly ImageRemoval[]> {
    const image = this.resolve(reference);
    if (image === undefined) throw new ClusterError("not_found", `No such image: ${familiar(reference)}`);
    if (options.isInUse(image.id) && !options.force) throw new ClusterError("conflict", `image ${reference} is in use by a container`);
    const tag = familiar(reference);
    const left = image.tags.filter((candidate) => candidate !== tag);
    if (left.length > 0 && left.length < image.tags.length) {
      this.#images.set(image.id, { ...image, tags: left });
      return [{ type: "untagged", reference: tag }];
    }
    this.#images.delete(image.id);
    return [...image.tags.map((name) => ({ type: "untagged", reference: name }) as const), { type: "deleted", id: image.id }];
  }

  override async load(archive: Readable): Promise<readonly LoadedImage[]> {
    const image = await this.import(archive, { reference: "loaded:v1", message: "", changes: [], platform: "" });
    return [{ id: image.id, reference: "loaded:v1" }];
  }

  /** The names, as a stream. */
  override async save(references: readonly string[]): Promise<Readable> {
    for (const reference of references) if (this.resolve(reference) === undefined) throw new ClusterError("not_found", `No such image: ${reference}`);
    return Readable.from([references.join("\n")]);
  }

  override history(reference: string): readonly HistoryStep[] {
    const image = this.resolve(reference);
    return image === undefined ? [] : [{ createdAtMs: image.createdAtMs, createdBy: "", comment: image.comment, sizeBytes: image.sizeBytes }];
  }

  override async prune(options: Parameters<ImageStore["prune"]>[0]): ReturnType<ImageStore["prune"]> {
    const unwanted = this.list().filter((image) => !options.isWanted(image));
    for (const { id } of unwanted) this.#images.delete(id);
    return { removals: unwanted.map(({ id }) => ({ type: "deleted", id })), freedBytes: unwanted.reduce((sum, image) => sum + image.sizeBytes, 0) };
  }

  override layerSizeBytes(diffId: string): number {
    return this.#images.get(diffId)?.sizeBytes ?? 0;
  }

  #untag(tag: string): void {
    for (const image of this.#images.values()) {
      if (image.tags.includes(tag)) this.#images.set(image.id, { ...image, tags: image.tags.filter((candidate) => candidate !== tag) });
    }
  }
}

function familiar(reference: string): string {
  const short = reference.replace(/^docker\.io\/(library\/)?/, "");
  return /:[^/]+$/.test(short) ? short : `${short}:latest`;
}
