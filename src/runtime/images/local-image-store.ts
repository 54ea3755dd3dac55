import type { Readable } from "node:stream";
import { ClusterError } from "../../base/errors.js";
import { type ImageReference, canonicalReference, familiarName, familiarReference, parseReference } from "../../model/image-reference.js";
import type { CommitOptions, HistoryStep, ImageInfo, ImageRemoval, ImageStore, ImportOptions, LoadedImage } from "../image-store.js";
import { ImageCatalog, type ImageCatalogOptions } from "./image-catalog.js";
import { encodeImage } from "./image-document.js";
import { parsePlatform } from "./platform.js";
import { commitLayer } from "./image-committer.js";
import { loadImages } from "./image-loader.js";
import { saveImages } from "./image-saver.js";
import { applyChanges, EMPTY_CONFIG } from "./import-changes.js";
import { Intake } from "./intake.js";
import { OCI_CONFIG, OCI_LAYER, encodeManifest } from "./manifest.js";

type RemoveOptions = Parameters<ImageStore["remove"]>[1];

/** Images on this host's disk, by the names and in the words of users. What is on the disk is ImageCatalog's. */
export class LocalImageStore implements ImageStore {
  readonly catalog: ImageCatalog;

  private constructor(catalog: ImageCatalog) {
    this.catalog = catalog;
  }

  /** Throws ClusterError `internal` when the index cannot be read. An image whose files are damaged is logged and left out. */
  static async open(options: ImageCatalogOptions): Promise<LocalImageStore> {
    return new LocalImageStore(await ImageCatalog.open(options));
  }

  async import(tar: Readable, options: ImportOptions): Promise<ImageInfo> {
    // Everything that can be wrong with the request is found before the archive is read.
    const reference = options.reference === "" ? undefined : taggable(options.reference);
    const config = applyChanges(EMPTY_CONFIG, options.changes);
    const platform = parsePlatform(options.platform);
    await using intake = new Intake(this.catalog);
    const archive = await intake.receive(tar);
    const layer = await intake.unpack(archive.digest, null);
    if (layer.entries === 0) throw new ClusterError("invalid_argument", "the archive is empty");
    const image = encodeImage({ platform, config, layers: [layer.diffId], comment: options.message });
    const manifest = encodeManifest({ mediaType: OCI_CONFIG, digest: image.id, size: image.bytes.length }, [
      { mediaType: OCI_LAYER + archive.compression, digest: archive.digest, size: archive.sizeBytes },
    ]);
    const references = reference === undefined ? [] : [canonicalReference(reference)];
    const imported = await intake.commit({ id: image.id, config: image.bytes, manifest, references });
    this.catalog.tellOf("import", imported);
    if (reference !== undefined) this.catalog.tellOf("tag", imported, familiarReference(reference));
    return imported;
  }

  async commit(imageId: string, layer: Readable, options: CommitOptions): Promise<ImageInfo> {
    const reference = options.reference === "" ? undefined : taggable(options.reference);
    const references = reference === undefined ? [] : [canonicalReference(reference)];
    const image = await commitLayer(this.catalog, this.#get(imageId).id, layer, { ...options, references });
    if (reference !== undefined) this.catalog.tellOf("tag", image, familiarReference(reference));
    return image;
  }

  async tag(reference: string, target: string): Promise<void> {
    const name = taggable(target);
    await this.catalog.change(async () => {
      const image = this.#get(reference);
      await this.catalog.name(image.id, [canonicalReference(name)]);
      this.catalog.tellOf("tag", image, familiarReference(name));
    });
  }

  resolve(reference: string): ImageInfo | undefined {
    const id = this.#find(reference);
    return id === undefined ? undefined : this.catalog.info(id);
  }

  list(): readonly ImageInfo[] {
    return this.catalog
      .ids()
      .map((id) => this.catalog.info(id))
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  history(reference: string): readonly HistoryStep[] {
    const { id } = this.#get(reference);
    const { history, rootfs } = this.catalog.documentOf(id);
    const layers = [...rootfs.diff_ids];
    const steps = history.map((entry) => ({
      createdAtMs: Date.parse(entry.created ?? "") || 0,
      createdBy: entry.created_by ?? "",
      comment: entry.comment ?? "",
      sizeBytes: entry.empty_layer === true ? 0 : this.catalog.layerSizeBytes(layers.shift() ?? ""),
    }));
    // Layers that the history does not tell of.
    const untold = layers.map((diffId) => ({ createdAtMs: 0, createdBy: "", comment: "", sizeBytes: this.catalog.layerSizeBytes(diffId) }));
    return [...steps, ...untold].toReversed();
  }

  async remove(reference: string, options: RemoveOptions): Promise<readonly ImageRemoval[]> {
    return await this.catalog.change(async () => {
      const damaged = this.#damagedOf(reference);
      if (damaged !== undefined) return await this.#removeDamaged(damaged, options);
      const image = this.#get(reference);
      const name = this.#nameOf(reference);
      const isInUse = options.isInUse(image.id);
      const dropped = name === undefined ? this.#namesToDrop(image, options, isInUse) : this.#withDigests(image.id, name);
      const kept = this.catalog.namesOf(image.id).filter((other) => !dropped.includes(other));
      if (kept.length === 0 && isInUse && !options.force) {
        throw new ClusterError(
          "conflict",
          `conflict: unable to remove repository reference "${reference}" (must force) - a container is using its referenced image ${shortOf(image.id)}`,
        );
      }
      const untagged = dropped.map((other) => ({ type: "untagged", reference: familiarReference(parseReference(other)) }) as const);
      // A container that lives needs the layers: by force the image only loses its names.
      if (kept.length > 0 || isInUse) {
        await this.catalog.unname(dropped);
        for (const _ of dropped) this.catalog.tellOf("untag", image);
        return untagged;
      }
      const layers = await this.#forget(image.id, dropped.length);
      return [...untagged, { type: "deleted", id: image.id }, ...layers.map((id) => ({ type: "deleted", id }) as const)];
    });
  }

  async prune(options: {
    readonly isWanted: (image: ImageInfo) => boolean;
  }): Promise<{ readonly removals: readonly ImageRemoval[]; readonly freedBytes: number }> {
    let freedBytes = await this.catalog.sweepDownloads(0);
    const removals: ImageRemoval[] = [];
    for (const { id } of this.list()) {
      await this.catalog.change(async () => {
        if (!this.catalog.has(id) || options.isWanted(this.catalog.info(id))) return;
        for (const name of this.catalog.namesOf(id)) removals.push({ type: "untagged", reference: familiarReference(parseReference(name)) });
        const sizes = new Map(this.catalog.documentOf(id).rootfs.diff_ids.map((diffId) => [diffId, this.catalog.layerSizeBytes(diffId)]));
        const layers = await this.#forget(id, this.catalog.namesOf(id).length);
        for (const deleted of [id, ...layers]) removals.push({ type: "deleted", id: deleted });
        for (const diffId of layers) freedBytes += sizes.get(diffId) ?? 0;
      });
    }
    return { removals, freedBytes };
  }

  async load(archive: Readable): Promise<readonly LoadedImage[]> {
    const loaded = await loadImages(this.catalog, archive);
    for (const id of new Set(loaded.map((image) => image.id))) if (this.catalog.has(id)) this.catalog.tellOf("load", this.catalog.info(id));
    return loaded;
  }

  async save(references: readonly string[]): Promise<Readable> {
    const images = new Map<string, string[]>();
    for (const { id, name } of references.flatMap((text) => this.#toSave(text))) images.set(id, [...(images.get(id) ?? []), ...(name === "" ? [] : [name])]);
    const archive = await saveImages(
      this.catalog,
      [...images].map(([id, names]) => ({ id, names: [...new Set(names)] })),
    );
    for (const id of images.keys()) if (this.catalog.has(id)) this.catalog.tellOf("save", this.catalog.info(id));
    return archive;
  }

  onChange(listener: Parameters<ImageStore["onChange"]>[0]): () => void {
    return this.catalog.changes.subscribe(listener);
  }

  layerSizeBytes(diffId: string): number {
    return this.catalog.layerSizeBytes(diffId);
  }

  layerFolders(imageId: string): readonly string[] {
    if (!this.catalog.has(imageId)) throw new ClusterError("not_found", `No such image: ${imageId}`);
    return this.catalog
      .documentOf(imageId)
      .rootfs.diff_ids.map((diffId) => this.catalog.folders.layerFolder(diffId))
      .toReversed();
  }

  /** All that is left of an image that is left out: containers that use it may go on with its layers until the daemon is started again. */
  async #removeDamaged(id: string, { force, isInUse }: RemoveOptions): Promise<readonly ImageRemoval[]> {
    if (isInUse(id) && !force) {
      throw new ClusterError("conflict", `conflict: unable to delete ${shortOf(id)} (must be forced) - image is damaged, and being used by a container`);
    }
    const names = this.catalog.namesOf(id).map((name) => familiarReference(parseReference(name)));
    await this.catalog.forgetDamaged(id);
    return [...names.map((reference) => ({ type: "untagged", reference }) as const), { type: "deleted", id }];
  }

  /** The image that is left out and has this name, or whole id. */
  #damagedOf(text: string): string | undefined {
    if (/^(sha256:)?[a-f0-9]{64}$/.test(text)) return this.catalog.damagedOf(text.startsWith("sha256:") ? text : `sha256:${text}`);
    return /^sha256:/.test(text) ? undefined : this.catalog.damagedOf(canonicalReference(parseReference(text)));
  }

  /** With so many names that it had. Returns the layers that nobody has any more. */
  async #forget(id: string, namesCount: number): Promise<readonly string[]> {
    const image = this.catalog.info(id);
    for (let told = 0; told < namesCount; told++) this.catalog.tellOf("untag", image);
    const layers = await this.catalog.forget(id);
    this.catalog.changes.tell({ action: "delete", subject: id, name: id, labels: {} });
    return layers;
  }

  /** Docker's rule: a name without a tag means every tag of its repository; an id has no name in the archive. */
  #toSave(text: string): readonly { readonly id: string; readonly name: string }[] {
    const named = this.#nameOf(text);
    const isBare = !/[:@]/.test(text.slice(text.lastIndexOf("/") + 1));
    if (isBare && !(named === undefined && this.#byPrefix(text) !== undefined)) {
      const repository = familiarName(parseReference(text));
      const tags = this.catalog
        .ids()
        .flatMap((id) => this.catalog.namesOf(id).map((name) => ({ id, name })))
        .filter(({ name }) => familiarName(parseReference(name)) === repository && parseReference(name).digest === "");
      if (tags.length > 0) return tags;
    }
    return [{ id: this.#get(text).id, name: named === undefined || parseReference(named).digest !== "" ? "" : named }];
  }

  /** Docker's rule: the last tag of a repository takes the repository's digests along. */
  #withDigests(id: string, name: string): readonly string[] {
    const reference = parseReference(name);
    const siblings = this.catalog.namesOf(id).filter((other) => other !== name && familiarName(parseReference(other)) === familiarName(reference));
    const areDigests = siblings.every((other) => parseReference(other).digest !== "");
    return reference.digest === "" && areDigests ? [name, ...siblings] : [name];
  }

  /** Docker's rule: a deletion by id takes the names of one repository along; more than one needs force. */
  #namesToDrop(image: ImageInfo, { force }: RemoveOptions, isInUse: boolean): readonly string[] {
    const names = this.catalog.namesOf(image.id);
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

  #get(reference: string): ImageInfo {
    const image = this.resolve(reference);
    if (image === undefined) throw new ClusterError("not_found", `No such image: ${this.#spellOut(reference)}`);
    return image;
  }

  #find(reference: string): string | undefined {
    if (/^(sha256:)?[a-f0-9]{64}$/.test(reference)) {
      const id = reference.startsWith("sha256:") ? reference : `sha256:${reference}`;
      return this.catalog.has(id) ? id : undefined;
    }
    const name = this.#nameOf(reference);
    if (name !== undefined) return this.catalog.idOf(name);
    return this.#byPrefix(reference);
  }

  /** The canonical name that a reference means, when an image has it. */
  #nameOf(text: string): string | undefined {
    if (/^(sha256:)[a-f0-9]+$/.test(text) || /^[a-f0-9]{64}$/.test(text)) return undefined;
    const reference = parseReference(text);
    // A tag beside a digest says nothing more: the digest decides.
    const name = reference.digest === "" ? canonicalReference(reference) : canonicalReference({ ...reference, tag: "" });
    return this.catalog.idOf(name) === undefined ? undefined : name;
  }

  #byPrefix(text: string): string | undefined {
    const prefix = text.startsWith("sha256:") ? text : `sha256:${text}`;
    if (!/^sha256:[a-f0-9]+$/.test(prefix)) return undefined;
    const matches = this.catalog.ids().filter((id) => id.startsWith(prefix));
    if (matches.length > 1) throw new ClusterError("invalid_argument", `image id prefix ${text} is ambiguous (${matches.length} images)`);
    return matches[0];
  }

  #spellOut(reference: string): string {
    return reference.startsWith("sha256:") || /^[a-f0-9]{64}$/.test(reference) ? reference : familiarReference(parseReference(reference));
  }
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
