import { join } from "node:path";
import { defined } from "../../base/assert.js";
import type { Clock } from "../../base/clock.js";
import { ClusterError, messageOf } from "../../base/errors.js";
import { isReadableTime } from "../../base/readable-time.js";
import type { Logger } from "../../base/log.js";
import { type ImageReference, familiarName, familiarReference, parseReference } from "../../model/image-reference.js";
import type { ImageChange, ImageInfo } from "../image-store.js";
import { ContentFolders } from "./content-folders.js";
import { digestOf } from "./digest.js";
import { decodeImage } from "./decode-image.js";
import { type ImageDocument, imageConfigOf } from "./image-document.js";
import { ImageChanges } from "./image-changes.js";
import { type ImageIndex, loadImageIndex, saveImageIndex } from "./image-index.js";
import { Leases } from "./leases.js";
import { type Descriptor, type EncodedManifest, type ImageManifest, parseManifest } from "./manifest.js";
import { Unpacker } from "./unpacker.js";

const INDEX_FILE = "index.json";
/** Downloads that broke off can be resumed for this long. */
const DOWNLOAD_AGE_MS_MAX = 24 * 60 * 60 * 1000;

export interface ImageCatalogOptions {
  /** Images are kept below `images` in it. */
  readonly dataRoot: string;
  /** Path of `swarm-unpack`. */
  readonly unpackerPath: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface CatalogImage {
  readonly document: ImageDocument;
  /** Null when the archives of its layers were not kept. */
  readonly manifest: ImageManifest | null;
}

/** An image whose content is in its place or about to be: see Intake. */
export interface NewImage {
  readonly id: string;
  readonly config: Buffer;
  readonly manifest: EncodedManifest;
  /** Canonical references that it gets; those that other images had move to it. */
  readonly references: readonly string[];
  readonly layerSizes: Readonly<Record<string, number>>;
}

/**
 * Which images are on this host's disk and what they are called. What is in the index is complete on disk, and what is not in the index does not exist: a
 * crash leaves only files that the next start sweeps. Changes run one by one. Content goes when no image has it and no lease holds it; both are looked
 * at within a change, so that collection and a pull cannot race.
 */
export class ImageCatalog {
  readonly folders: ContentFolders;
  readonly unpacker: Unpacker;
  readonly leases = new Leases();
  readonly changes = new ImageChanges();
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #indexPath: string;
  readonly #images = new Map<string, CatalogImage>();
  /** Of the index, but their files cannot be read: nobody knows what of the content is theirs, which containers may run on. While there is one, no content is removed. */
  readonly #damaged = new Set<string>();
  #index: ImageIndex;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(options: ImageCatalogOptions, folders: ContentFolders, index: ImageIndex) {
    this.folders = folders;
    this.unpacker = new Unpacker({ program: options.unpackerPath, folder: folders.root, logger: options.logger });
    this.#index = index;
    this.#indexPath = indexPathOf(options);
    this.clock = options.clock;
    this.logger = options.logger;
  }

  /** Throws ClusterError `internal` when the index cannot be read. An image whose files are damaged is logged and left out. */
  static async open(options: ImageCatalogOptions): Promise<ImageCatalog> {
    const folders = await ContentFolders.open(join(options.dataRoot, "images"));
    const catalog = new ImageCatalog(options, folders, await loadImageIndex(indexPathOf(options), () => folders.hasLayers()));
    await catalog.#load();
    await catalog.sweepDownloads(DOWNLOAD_AGE_MS_MAX);
    return catalog;
  }

  /** Runs changes one by one; one that fails does not hold up the next. */
  change<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => undefined);
    return done;
  }

  ids(): readonly string[] {
    return [...this.#images.keys()];
  }

  has(id: string): boolean {
    return this.#images.has(id);
  }

  /** The id that a canonical reference stands for. */
  idOf(canonical: string): string | undefined {
    const id = this.#index.references[canonical];
    return id !== undefined && this.#images.has(id) ? id : undefined;
  }

  /** The image that is left out and has this id or canonical reference. */
  damagedOf(idOrCanonical: string): string | undefined {
    const id = this.#index.references[idOrCanonical] ?? idOrCanonical;
    return this.#damaged.has(id) ? id : undefined;
  }

  namesOf(id: string): readonly string[] {
    return Object.entries(this.#index.references).flatMap(([name, imageId]) => (imageId === id ? [name] : []));
  }

  documentOf(id: string): ImageDocument {
    return this.#get(id).document;
  }

  /** Throws ClusterError `failed_precondition` for an image whose archives were not kept. */
  manifestOf(id: string): ImageManifest & { readonly descriptor: Descriptor } {
    const { manifest } = this.#get(id);
    const descriptor = this.#index.images[id]?.manifest;
    if (manifest === null || descriptor === undefined) {
      throw new ClusterError("failed_precondition", `image ${id} was imported before archives of layers were kept: import it again to save or push it`);
    }
    return { ...manifest, descriptor };
  }

  /** `name` is a familiar reference; without one the id stands for it. */
  tellOf(action: ImageChange["action"], { id, config }: ImageInfo, name = id): void {
    this.changes.tell({ action, subject: id, name, labels: config.labels });
  }

  /** Of an image on its way from or to a registry. */
  tellOfTransfer(action: "pull" | "push", { config }: ImageInfo, reference: ImageReference): void {
    this.changes.tell({ action, subject: familiarReference(reference), name: familiarName(reference), labels: config.labels });
  }

  layerSizeBytes(diffId: string): number {
    return this.#index.layerSizes[diffId] ?? 0;
  }

  info(id: string): ImageInfo {
    const { document } = this.#get(id);
    const references = this.namesOf(id).map((name) => parseReference(name));
    const layers = document.rootfs.diff_ids;
    const createdAtMs = Date.parse(document.created ?? "");
    return {
      id,
      tags: references
        .filter((reference) => reference.digest === "")
        .map(familiarReference)
        .toSorted(),
      digests: references
        .filter((reference) => reference.digest !== "")
        .map(familiarReference)
        .toSorted(),
      createdAtMs: isReadableTime(createdAtMs) ? createdAtMs : (this.#index.images[id]?.createdAtMs ?? 0),
      sizeBytes: layers.reduce((sum, diffId) => sum + this.layerSizeBytes(diffId), 0),
      architecture: document.architecture,
      variant: document.variant ?? "",
      os: document.os,
      author: document.author ?? "",
      comment: document.history.at(-1)?.comment ?? "",
      layers,
      config: imageConfigOf(document),
    };
  }

  /** Within a change: records an image, all of whose content is in place. */
  async add({ id, config, manifest, references, layerSizes }: NewImage): Promise<void> {
    const { images, references: known, layerSizes: sizes } = this.#index;
    const document = decodeImage(config);
    await this.folders.writeBlob(id, config);
    await this.folders.writeBlob(manifest.descriptor.digest, manifest.bytes);
    const createdAtMs = images[id]?.createdAtMs ?? this.clock.now();
    await this.#save({
      version: 1,
      images: { ...images, [id]: { createdAtMs, manifest: manifest.descriptor } },
      references: { ...known, ...Object.fromEntries(references.map((name) => [name, id])) },
      layerSizes: { ...sizes, ...layerSizes },
    });
    const before = this.#images.get(id)?.manifest ?? null;
    this.#images.set(id, { document, manifest: imageManifestOf(manifest.bytes, manifest.descriptor.mediaType) });
    this.#damaged.delete(id);
    // The same image in other archives: those that it had are not its any more.
    if (before !== null) await this.collect(before.layers.map((layer) => layer.digest));
  }

  /** Within a change: gives an image these canonical names too. */
  async name(id: string, names: readonly string[]): Promise<void> {
    await this.#save({ ...this.#index, references: { ...this.#index.references, ...Object.fromEntries(names.map((name) => [name, id])) } });
  }

  /** Within a change. */
  async unname(names: readonly string[]): Promise<void> {
    await this.#save({ ...this.#index, references: without(this.#index.references, names) });
  }

  /**
   * Within a change: forgets an image and what it was called. The index first: from then on the files belong to nothing, and a crash leaves them to the sweep.
   * Resolves with the diff ids of the layers that went.
   */
  async forget(id: string): Promise<readonly string[]> {
    const content = this.#contentOf(id);
    const { rootfs } = this.documentOf(id);
    this.#images.delete(id);
    const { images, references, layerSizes } = this.#index;
    const kept = this.#used();
    const gone = rootfs.diff_ids.filter((diffId) => !kept.layers.has(diffId) && !this.leases.has(diffId));
    const names = Object.keys(references).filter((name) => references[name] === id);
    await this.#save({ version: 1, images: without(images, [id]), references: without(references, names), layerSizes: without(layerSizes, gone) });
    await this.collect([...content]);
    return gone;
  }

  /** Within a change: forgets an image that is left out, and what it was called. What was its content goes with the next start. */
  async forgetDamaged(id: string): Promise<void> {
    const { images, references } = this.#index;
    await this.#save({ ...this.#index, images: without(images, [id]), references: without(references, this.namesOf(id)) });
    this.#damaged.delete(id);
  }

  /** Within a change: removes those of these blobs and layers that nobody needs. */
  async collect(digests: readonly string[]): Promise<void> {
    const { layers, blobs } = this.#used();
    for (const digest of new Set(digests)) {
      if (this.leases.has(digest)) continue;
      if (this.#damaged.size > 0) {
        if (blobs.has(digest)) await this.folders.dropDownload(digest);
        continue;
      }
      if (!layers.has(digest) && (await this.folders.hasLayer(digest))) await this.folders.dropLayer(digest);
      if (!blobs.has(digest)) await this.folders.dropBlob(digest);
      else await this.folders.dropDownload(digest);
    }
  }

  /** Removes downloads that nobody went on with for that long. Resolves with the bytes that they had. */
  sweepDownloads(ageMs: number): Promise<number> {
    return this.folders.sweepDownloads(this.clock.now() - ageMs, (digest) => this.leases.has(digest));
  }

  async #load(): Promise<void> {
    for (const [id, { manifest }] of Object.entries(this.#index.images)) {
      try {
        const document = decodeImage(await this.#readVerified(id));
        for (const diffId of document.rootfs.diff_ids) {
          if (!(await this.folders.hasLayer(diffId))) throw new ClusterError("internal", `layer ${diffId} is missing`);
        }
        const parsed = manifest === undefined ? null : imageManifestOf(await this.#readVerified(manifest.digest), manifest.mediaType);
        this.#images.set(id, { document, manifest: parsed });
      } catch (cause) {
        this.#damaged.add(id);
        const names = this.namesOf(id).map((name) => familiarReference(parseReference(name)));
        this.logger.error(
          { err: cause, image: id, names },
          `image ${names[0] ?? id} is damaged and left out; bring it to this host again, or remove it: ${messageOf(cause)}`,
        );
      }
    }
    if (this.#damaged.size > 0) return;
    await this.folders.sweep(this.#used());
  }

  async #readVerified(digest: string): Promise<Buffer> {
    const bytes = await this.folders.readBlob(digest);
    if (digestOf(bytes) !== digest) throw new ClusterError("internal", `${digest} is damaged: its digest is ${digestOf(bytes)}`);
    return bytes;
  }

  #used(): { readonly layers: ReadonlySet<string>; readonly blobs: ReadonlySet<string> } {
    const layers = new Set<string>();
    const blobs = new Set<string>();
    for (const [id, { document, manifest }] of this.#images) {
      for (const diffId of document.rootfs.diff_ids) layers.add(diffId);
      for (const digest of [id, this.#index.images[id]?.manifest?.digest, ...(manifest?.layers ?? []).map((layer) => layer.digest)])
        if (digest) blobs.add(digest);
    }
    return { layers, blobs };
  }

  #contentOf(id: string): ReadonlySet<string> {
    const { document, manifest } = this.#get(id);
    const own = this.#index.images[id]?.manifest?.digest;
    return new Set([id, ...(own === undefined ? [] : [own]), ...document.rootfs.diff_ids, ...(manifest?.layers ?? []).map((layer) => layer.digest)]);
  }

  #get(id: string): CatalogImage {
    return defined(this.#images.get(id), `image ${id} is known`);
  }

  async #save(index: ImageIndex): Promise<void> {
    await saveImageIndex(this.#indexPath, index);
    this.#index = index;
  }
}

function imageManifestOf(bytes: Uint8Array, mediaType: string): ImageManifest {
  const manifest = parseManifest(bytes, mediaType);
  if (manifest.type !== "image") throw new ClusterError("internal", "the manifest of an image is an index");
  return manifest;
}

function indexPathOf({ dataRoot }: ImageCatalogOptions): string {
  return join(dataRoot, "images", INDEX_FILE);
}

function without<V>(record: Readonly<Record<string, V>>, keys: readonly string[]): Readonly<Record<string, V>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}
