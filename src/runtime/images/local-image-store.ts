import { join } from "node:path";
import type { Readable } from "node:stream";
import { defined } from "../../base/assert.js";
import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import { type ImageReference, canonicalReference, familiarName, familiarReference, parseReference } from "../../model/image-reference.js";
import type { ImageInfo, ImageRemoval, ImageStore, ImportOptions } from "../image-store.js";
import { ContentFolders, exists, syncFileSystem } from "./content-folders.js";
import { type ImageDocument, decodeImage, encodeImage, imageConfigOf, parsePlatform } from "./image-document.js";
import { type ImageIndex, loadImageIndex, saveImageIndex } from "./image-index.js";
import { EMPTY_CONFIG, applyChanges } from "./import-changes.js";
import { type UnpackedLayer, unpackLayer } from "./unpack-layer.js";

const INDEX_FILE = "index.json";
const DEFAULT_COMMENT = "Imported from -";

export interface LocalImageStoreOptions {
  /** Images are kept below `images` in it. */
  readonly dataRoot: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

type RemoveOptions = Parameters<ImageStore["remove"]>[1];

/**
 * Images on this host's disk. What is in the index is complete on disk, and what is not in the index does not exist: a crash leaves
 * only files that the next start sweeps. Changes of the index run one by one.
 */
export class LocalImageStore implements ImageStore {
  readonly #folders: ContentFolders;
  readonly #indexPath: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #documents = new Map<string, ImageDocument>();
  #index: ImageIndex;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(options: LocalImageStoreOptions, folders: ContentFolders, index: ImageIndex) {
    this.#folders = folders;
    this.#index = index;
    this.#indexPath = indexPathOf(options);
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Throws ClusterError `internal` when the index cannot be read. An image whose files are damaged is logged and left out. */
  static async open(options: LocalImageStoreOptions): Promise<LocalImageStore> {
    const folders = await ContentFolders.open(join(options.dataRoot, "images"));
    const store = new LocalImageStore(options, folders, await loadImageIndex(indexPathOf(options)));
    await store.#load();
    return store;
  }

  async import(tar: Readable, options: ImportOptions): Promise<ImageInfo> {
    // Everything that can be wrong with the request is found before the archive is read.
    const reference = options.reference === "" ? undefined : taggable(options.reference);
    const config = applyChanges(EMPTY_CONFIG, options.changes);
    const platform = parsePlatform(options.platform);
    const temporary = await this.#folders.makeTemporary();
    try {
      const layer = await unpackLayer(tar, temporary);
      this.#logSkipped(layer);
      await syncFileSystem(temporary);
      const comment = options.message === "" ? DEFAULT_COMMENT : options.message;
      const image = encodeImage({ platform, config, layers: [layer.diffId], comment });
      return await this.#change(async () => {
        await this.#folders.keepLayer(temporary, layer.diffId);
        await this.#folders.writeBlob(image.id, image.bytes);
        const { images, references, layerSizes } = this.#index;
        await this.#save({
          version: 1,
          images: { ...images, [image.id]: images[image.id] ?? { createdAtMs: this.#clock.now() } },
          references: reference === undefined ? references : { ...references, [canonicalReference(reference)]: image.id },
          layerSizes: { ...layerSizes, [layer.diffId]: layer.sizeBytes },
        });
        this.#documents.set(image.id, decodeImage(image.id, image.bytes));
        return this.#info(image.id);
      });
    } finally {
      await this.#folders.discard(temporary);
    }
  }

  async tag(reference: string, target: string): Promise<void> {
    const name = canonicalReference(taggable(target));
    await this.#change(async () => {
      const { id } = this.#get(reference);
      await this.#save({ ...this.#index, references: { ...this.#index.references, [name]: id } });
    });
  }

  resolve(reference: string): ImageInfo | undefined {
    const id = this.#find(reference);
    return id === undefined ? undefined : this.#info(id);
  }

  list(): readonly ImageInfo[] {
    return [...this.#documents.keys()].map((id) => this.#info(id)).toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  async remove(reference: string, options: RemoveOptions): Promise<readonly ImageRemoval[]> {
    return await this.#change(async () => {
      const image = this.#get(reference);
      const name = this.#nameOf(reference);
      const isInUse = options.isInUse(image.id);
      const dropped = name === undefined ? this.#namesToDrop(image, options, isInUse) : [name];
      const kept = this.#namesOf(image.id).filter((other) => !dropped.includes(other));
      if (kept.length === 0 && isInUse && !options.force) {
        throw new ClusterError(
          "conflict",
          `conflict: unable to remove repository reference "${reference}" (must force) - a container is using its referenced image ${shortOf(image.id)}`,
        );
      }
      const untagged = dropped.map((other) => ({ type: "untagged", reference: familiarReference(parseReference(other)) }) as const);
      // A container that lives needs the layers: by force the image only loses its names.
      if (kept.length > 0 || isInUse) {
        await this.#save({ ...this.#index, references: without(this.#index.references, dropped) });
        return untagged;
      }
      await this.#delete(image.id, dropped);
      return [...untagged, { type: "deleted", id: image.id }];
    });
  }

  layerFolders(imageId: string): readonly string[] {
    const document = this.#documents.get(imageId);
    if (document === undefined) throw new ClusterError("not_found", `No such image: ${imageId}`);
    return document.rootfs.diff_ids.map((diffId) => this.#folders.layerFolder(diffId)).toReversed();
  }

  async #load(): Promise<void> {
    for (const id of Object.keys(this.#index.images)) {
      try {
        const document = decodeImage(id, await this.#folders.readBlob(id));
        for (const diffId of document.rootfs.diff_ids) {
          if (!(await exists(this.#folders.layerFolder(diffId)))) throw new ClusterError("internal", `layer ${diffId} is missing`);
        }
        this.#documents.set(id, document);
      } catch (cause) {
        this.#logger.error({ err: cause, image: id }, "an image is damaged and left out; import it again");
      }
    }
    const layers = new Set([...this.#documents.values()].flatMap((document) => document.rootfs.diff_ids));
    await this.#folders.sweep({ layers, blobs: new Set(this.#documents.keys()) });
  }

  /** Docker's rule: a deletion by id takes the names of one repository along; more than one needs force. */
  #namesToDrop(image: ImageInfo, { force }: RemoveOptions, isInUse: boolean): readonly string[] {
    const names = this.#namesOf(image.id);
    const repositories = new Set(names.map((name) => familiarName(parseReference(name))));
    if (repositories.size > 1 && !force) {
      throw new ClusterError("conflict", `conflict: unable to delete ${shortOf(image.id)} (must be forced) - image is referenced in multiple repositories`);
    }
    if (isInUse) {
      const must = force ? "cannot be forced" : "must be forced";
      throw new ClusterError("conflict", `conflict: unable to delete ${shortOf(image.id)} (${must}) - image is being used by a container`);
    }
    return names;
  }

  /** The index first: from then on the files belong to nothing, and a crash leaves them to the sweep. */
  async #delete(id: string, names: readonly string[]): Promise<void> {
    const document = defined(this.#documents.get(id), "an image that is deleted is known");
    this.#documents.delete(id);
    const used = new Set([...this.#documents.values()].flatMap((other) => other.rootfs.diff_ids));
    const orphans = document.rootfs.diff_ids.filter((diffId) => !used.has(diffId));
    const { images, references, layerSizes } = this.#index;
    await this.#save({ version: 1, images: without(images, [id]), references: without(references, names), layerSizes: without(layerSizes, orphans) });
    for (const diffId of orphans) await this.#folders.dropLayer(diffId);
    await this.#folders.dropBlob(id);
  }

  /** Runs changes one by one; one that fails does not hold up the next. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => undefined);
    return done;
  }

  async #save(index: ImageIndex): Promise<void> {
    await saveImageIndex(this.#indexPath, index);
    this.#index = index;
  }

  #get(reference: string): ImageInfo {
    const image = this.resolve(reference);
    if (image === undefined) throw new ClusterError("not_found", `No such image: ${this.#spellOut(reference)}`);
    return image;
  }

  #find(reference: string): string | undefined {
    if (/^(sha256:)?[a-f0-9]{64}$/.test(reference)) return this.#known(reference.startsWith("sha256:") ? reference : `sha256:${reference}`);
    const name = this.#nameOf(reference);
    if (name !== undefined) return this.#index.references[name];
    return this.#byPrefix(reference);
  }

  #known(id: string): string | undefined {
    return this.#documents.has(id) ? id : undefined;
  }

  /** The canonical name that a reference means, when an image has it. */
  #nameOf(text: string): string | undefined {
    if (/^(sha256:)[a-f0-9]+$/.test(text) || /^[a-f0-9]{64}$/.test(text)) return undefined;
    const reference = parseReference(text);
    // A tag beside a digest says nothing more: the digest decides.
    const names = reference.digest === "" ? [canonicalReference(reference)] : [canonicalReference({ ...reference, tag: "" })];
    return names.find((name) => this.#known(this.#index.references[name] ?? "") !== undefined);
  }

  #byPrefix(text: string): string | undefined {
    const prefix = text.startsWith("sha256:") ? text : `sha256:${text}`;
    if (!/^sha256:[a-f0-9]+$/.test(prefix)) return undefined;
    const matches = [...this.#documents.keys()].filter((id) => id.startsWith(prefix));
    if (matches.length > 1) throw new ClusterError("invalid_argument", `image id prefix ${text} is ambiguous (${matches.length} images)`);
    return matches[0];
  }

  #namesOf(id: string): readonly string[] {
    return Object.entries(this.#index.references).flatMap(([name, imageId]) => (imageId === id ? [name] : []));
  }

  #spellOut(reference: string): string {
    return reference.startsWith("sha256:") || /^[a-f0-9]{64}$/.test(reference) ? reference : familiarReference(parseReference(reference));
  }

  #info(id: string): ImageInfo {
    const document = defined(this.#documents.get(id), `image ${id} is known`);
    const references = this.#namesOf(id).map((name) => parseReference(name));
    const layers = document.rootfs.diff_ids;
    return {
      id,
      tags: references
        .filter((reference) => reference.tag !== "")
        .map(familiarReference)
        .toSorted(),
      digests: references
        .filter((reference) => reference.digest !== "")
        .map(familiarReference)
        .toSorted(),
      createdAtMs: this.#index.images[id]?.createdAtMs ?? 0,
      sizeBytes: layers.reduce((sum, diffId) => sum + (this.#index.layerSizes[diffId] ?? 0), 0),
      architecture: document.architecture,
      os: document.os,
      comment: document.history.at(-1)?.comment ?? "",
      layers,
      config: imageConfigOf(document),
    };
  }

  #logSkipped({ skipped }: UnpackedLayer): void {
    if (skipped.length === 0) return;
    this.#logger.warn(
      { count: skipped.length, first: skipped.slice(0, 5) },
      "device nodes, pipes and extended attributes of an imported archive were left out",
    );
  }
}

function indexPathOf({ dataRoot }: LocalImageStoreOptions): string {
  return join(dataRoot, "images", INDEX_FILE);
}

/** Throws ClusterError `invalid_argument`: a name that fixes its own content cannot be given to another. */
function taggable(text: string): ImageReference {
  const reference = parseReference(text);
  if (reference.digest !== "") throw new ClusterError("invalid_argument", `refusing to create a tag with a digest reference: ${text}`);
  return reference;
}

function shortOf(id: string): string {
  return id.slice("sha256:".length, "sha256:".length + 12);
}

function without<V>(record: Readonly<Record<string, V>>, keys: readonly string[]): Readonly<Record<string, V>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}
