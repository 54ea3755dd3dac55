import { readFile } from "node:fs/promises";
import { AbortScope } from "../../base/abort.js";
import { ClusterError } from "../../base/errors.js";
import { Limiter } from "../../base/limiter.js";
import { type ImageReference, canonicalReference, familiarName, familiarReference, parseReference } from "../../model/image-reference.js";
import type { ImageInfo } from "../image-store.js";
import type { PulledImage, PullOptions, TransferProgress } from "../image-transfer.js";
import type { ImageCatalog } from "./image-catalog.js";
import { decodeImage } from "./decode-image.js";
import type { ImageDocument } from "./image-document.js";
import { assertFor, type ImagePlatform, isFor, parsePlatform, platformText } from "./platform.js";
import { Intake } from "./intake.js";
import { choosePlatform, type Descriptor, type EncodedManifest, type ImageManifest, parseManifest } from "./manifest.js";
import { download } from "./registry/download.js";
import { KeyedLock } from "../../base/keyed-lock.js";
import { RegistryClient, type RegistryClientOptions } from "./registry/registry-client.js";
import type { Repository } from "./registry/repository.js";

/** Layers of one image that are fetched at a time. */
const DOWNLOADS_MAX = 3;
const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
/** Between two reports of the progress of one layer. */
const REPORT_MS = 100;

/** Brings images from registries into the catalog. */
export class ImagePuller {
  readonly #catalog: ImageCatalog;
  readonly #options: RegistryClientOptions;
  /** A blob is fetched once, however many pulls want it: the next one finds the file complete. */
  readonly #fetching = new KeyedLock();

  constructor(catalog: ImageCatalog, options: RegistryClientOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  async pull(text: string, options: PullOptions): Promise<PulledImage> {
    const reference = parseReference(text);
    const platform = parsePlatform(options.platform);
    using client = new RegistryClient(this.#options, { reference, credentials: options.credentials, access: "pull" });
    const { repository, manifest: top } = await client.resolve(options.signal);
    const names = [
      canonicalReference({ ...reference, tag: "", digest: top.descriptor.digest }),
      ...(reference.digest === "" ? [canonicalReference(reference)] : []),
    ];
    options.onProgress({
      status: `Pulling from ${reference.domain === "docker.io" ? reference.path : familiarName(reference)}`,
      id: reference.digest || reference.tag,
    });
    const known = await this.#known(names, platform, options.platform !== "");
    if (known !== null) this.#catalog.tellOfTransfer("pull", known, reference);
    if (known !== null) return { image: known, digest: top.descriptor.digest, isNew: false };
    await using intake = new Intake(this.#catalog);
    const manifest = await this.#imageManifest(repository, top, platform, options.signal);
    const image = await new PullOperation({ catalog: this.#catalog, clock: this.#options.clock, fetching: this.#fetching, intake, repository, options }).run(
      manifest,
      {
        reference,
        platform,
        names,
      },
    );
    this.#catalog.tellOfTransfer("pull", image, reference);
    return { image, digest: top.descriptor.digest, isNew: true };
  }

  /** The image that the registry's answer means, when it is here: then only names change. */
  #known([byDigest = "", ...others]: readonly string[], platform: ImagePlatform, isAsked: boolean): Promise<ImageInfo | null> {
    return this.#catalog.change(async () => {
      const id = this.#catalog.idOf(byDigest);
      if (id === undefined || (isAsked && !isFor(platformOf(this.#catalog.documentOf(id)), platform))) return null;
      if (others.length > 0) await this.#catalog.name(id, others);
      return this.#catalog.info(id);
    });
  }

  async #imageManifest(
    repository: Repository,
    top: EncodedManifest,
    platform: ImagePlatform,
    signal: AbortSignal,
  ): Promise<EncodedManifest & { readonly parsed: ImageManifest }> {
    const parsed = parseManifest(top.bytes, top.descriptor.mediaType);
    if (parsed.type === "image") return { ...top, descriptor: { ...top.descriptor, mediaType: parsed.mediaType }, parsed };
    const chosen = choosePlatform(parsed, platform);
    if (chosen === undefined) throw new ClusterError("not_found", `no matching manifest for ${platformText(platform)} in the manifest list entries`);
    const manifest = await repository.manifest(chosen.digest, signal);
    const image = parseManifest(manifest.bytes, manifest.descriptor.mediaType || chosen.mediaType);
    if (image.type !== "image") throw new ClusterError("invalid_argument", `the index leads to another index, ${chosen.digest}`);
    return { ...manifest, descriptor: { ...manifest.descriptor, mediaType: image.mediaType }, parsed: image };
  }
}

interface Operation {
  readonly catalog: ImageCatalog;
  readonly clock: RegistryClientOptions["clock"];
  readonly fetching: KeyedLock;
  readonly intake: Intake;
  readonly repository: Repository;
  readonly options: PullOptions;
}

/** One image on its way. */
class PullOperation {
  readonly #operation: Operation;

  constructor(operation: Operation) {
    this.#operation = operation;
  }

  /** Resolves with the image, once it is part of the store. */
  async run(
    manifest: EncodedManifest & { readonly parsed: ImageManifest },
    wanted: { readonly reference: ImageReference; readonly platform: ImagePlatform; readonly names: readonly string[] },
  ): Promise<ImageInfo> {
    const { intake, options } = this.#operation;
    const { config: descriptor, layers } = manifest.parsed;
    const config = await this.#config(descriptor);
    const document = decodeImage(config);
    const diffIds = document.rootfs.diff_ids;
    if (diffIds.length !== layers.length) {
      throw new ClusterError("invalid_argument", `the image's configuration has ${diffIds.length} layers and its manifest ${layers.length}`);
    }
    if (document.os !== "" && document.os !== "linux")
      throw new ClusterError("failed_precondition", `image operating system "${document.os}" cannot be used on this platform`);
    if (options.platform !== "") assertFor(platformOf(document), wanted.platform, familiarReference(wanted.reference));
    await intake.hold([...layers.map((layer) => layer.digest), ...diffIds]);
    await this.#layers(layers, diffIds);
    return await intake.commit({ id: descriptor.digest, config, manifest, references: wanted.names });
  }

  async #config(descriptor: Descriptor): Promise<Buffer> {
    if (descriptor.size > CONFIG_BYTES_MAX)
      throw new ClusterError("invalid_argument", `the image's configuration has ${descriptor.size} bytes, which is too much`);
    await this.#operation.intake.hold([descriptor.digest]);
    return await readFile(await this.#fetch(descriptor, () => undefined));
  }

  /** The first failure ends the others: nothing of them is in use when this settles. */
  async #layers(layers: readonly Descriptor[], diffIds: readonly string[]): Promise<void> {
    const limiter = new Limiter(DOWNLOADS_MAX);
    using failed = new AbortScope(this.#operation.options.signal);
    for (const layer of layers) this.#report(layer, { status: "Pulling fs layer" });
    const seen = new Map<string, Promise<void>>();
    const all = layers.map((layer, index) => {
      // The same layer may be in an image more than once.
      const known = seen.get(layer.digest);
      const done = known ?? this.#layer(layer, diffIds[index] ?? "", limiter, failed.signal);
      seen.set(layer.digest, done);
      return done;
    });
    for (const layer of all) layer.catch((cause: unknown) => failed.abort(cause));
    await Promise.allSettled(all);
    if (failed.signal.aborted) throw failed.signal.reason;
  }

  async #layer(layer: Descriptor, diffId: string, limiter: Limiter, signal: AbortSignal): Promise<void> {
    const { intake } = this.#operation;
    if ((await intake.hasBlob(layer.digest)) && (await intake.hasLayer(diffId))) return this.#report(layer, { status: "Already exists" });
    await limiter.run(async () => {
      signal.throwIfAborted();
      await this.#fetch(layer, this.#reporter(layer), signal);
      this.#report(layer, { status: "Download complete" });
    });
    signal.throwIfAborted();
    if (!(await intake.hasLayer(diffId))) {
      this.#report(layer, { status: "Extracting", currentBytes: layer.size, totalBytes: layer.size });
      await intake.unpack(layer.digest, diffId);
    }
    this.#report(layer, { status: "Pull complete" });
  }

  /** Resolves with the path of a blob that is complete and verified. */
  async #fetch(blob: Descriptor, onProgress: (currentBytes: number) => void, signal = this.#operation.options.signal): Promise<string> {
    const { catalog, clock, fetching, intake, repository } = this.#operation;
    await fetching.run(blob.digest, async () => {
      signal.throwIfAborted();
      if (await intake.hasBlob(blob.digest)) return;
      const path = catalog.folders.downloadPath(blob.digest);
      await download({ repository, blob, path, clock, signal, onProgress });
      intake.addFile(blob.digest, path);
    });
    return intake.pathOf(blob.digest);
  }

  #reporter(layer: Descriptor): (currentBytes: number) => void {
    let lastMs = Number.NEGATIVE_INFINITY;
    return (currentBytes) => {
      const nowMs = this.#operation.clock.monotonic();
      if (nowMs - lastMs < REPORT_MS) return;
      lastMs = nowMs;
      this.#report(layer, { status: "Downloading", currentBytes, totalBytes: layer.size });
    };
  }

  #report({ digest }: Descriptor, progress: Omit<TransferProgress, "id">): void {
    this.#operation.options.onProgress({ ...progress, id: digest.slice("sha256:".length, "sha256:".length + 12) });
  }
}

function platformOf({ os, architecture, variant = "" }: ImageDocument): ImagePlatform {
  return { os, architecture, variant };
}
