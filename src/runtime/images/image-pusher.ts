import { createReadStream } from "node:fs";
import { Transform } from "node:stream";
import { ClusterError } from "../../base/errors.js";
import { Limiter } from "../../base/limiter.js";
import { canonicalReference, familiarReference, parseReference } from "../../model/image-reference.js";
import type { PushedImage, TransferOptions } from "../image-transfer.js";
import type { ImageCatalog } from "./image-catalog.js";
import { Intake } from "./intake.js";
import type { Descriptor } from "./manifest.js";
import { RegistryClient, type RegistryClientOptions } from "./registry/registry-client.js";
import type { Repository } from "./registry/repository.js";
import { retrying } from "./registry/retry.js";

const UPLOADS_MAX = 3;
const ATTEMPTS_MAX = 3;
const REPORT_MS = 100;

/** Sends images to registries, byte for byte as they came. */
export class ImagePusher {
  readonly #catalog: ImageCatalog;
  readonly #options: RegistryClientOptions;

  constructor(catalog: ImageCatalog, options: RegistryClientOptions) {
    this.#catalog = catalog;
    this.#options = options;
  }

  async push(text: string, options: TransferOptions): Promise<PushedImage> {
    const reference = parseReference(text);
    if (reference.digest !== "") throw new ClusterError("invalid_argument", `cannot push a digest reference: ${text}`);
    const id = this.#catalog.idOf(canonicalReference(reference));
    if (id === undefined) throw new ClusterError("not_found", `An image does not exist locally with the tag: ${familiarReference(reference)}`);
    const { config, layers, descriptor } = this.#catalog.manifestOf(id);
    // Held, so that it cannot be removed on its way.
    await using intake = new Intake(this.#catalog);
    await intake.hold([config.digest, descriptor.digest, ...layers.map((layer) => layer.digest)]);
    const bytes = await this.#catalog.folders.readBlob(descriptor.digest);
    using client = new RegistryClient(this.#options, { reference, credentials: options.credentials, access: "pull,push" });
    options.onProgress({ status: `The push refers to repository [${reference.domain}/${reference.path}]`, id: "" });
    for (const layer of layers) options.onProgress({ status: "Preparing", id: shortOf(layer) });
    await client.onEndpoint(async (repository) => {
      const limiter = new Limiter(UPLOADS_MAX);
      const blobs = [...new Map([...layers, config].map((blob) => [blob.digest, blob])).values()];
      const outcomes = await Promise.allSettled(
        blobs.map((blob) => limiter.run(() => this.#blob(repository, blob, blob === config ? { ...options, onProgress: () => undefined } : options))),
      );
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      await this.#retrying(options, () => repository.putManifest({ bytes, descriptor }, reference.tag, options.signal));
    });
    options.onProgress({ status: `${reference.tag}: digest: ${descriptor.digest} size: ${descriptor.size}`, id: "" });
    await this.#catalog.change(() => this.#catalog.name(id, [canonicalReference({ ...reference, tag: "", digest: descriptor.digest })]));
    if (this.#catalog.has(id)) this.#catalog.tellOfTransfer("push", this.#catalog.info(id), reference);
    return { tag: reference.tag, digest: descriptor.digest, sizeBytes: descriptor.size };
  }

  async #blob(repository: Repository, blob: Descriptor, options: TransferOptions): Promise<void> {
    const { signal, onProgress } = options;
    const id = shortOf(blob);
    await this.#retrying(options, async () => {
      signal.throwIfAborted();
      if (await repository.hasBlob(blob.digest, signal)) return onProgress({ status: "Layer already exists", id });
      await repository.putBlob(
        blob,
        () => this.#content(blob, (currentBytes) => onProgress({ status: "Pushing", id, currentBytes, totalBytes: blob.size })),
        signal,
      );
      onProgress({ status: "Pushed", id });
    });
  }

  #content(blob: Descriptor, onSent: (currentBytes: number) => void) {
    let currentBytes = 0;
    let lastMs = Number.NEGATIVE_INFINITY;
    const { clock } = this.#options;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        currentBytes += chunk.length;
        if (clock.monotonic() - lastMs >= REPORT_MS) {
          lastMs = clock.monotonic();
          onSent(currentBytes);
        }
        done(null, chunk);
      },
    });
    const file = createReadStream(this.#catalog.folders.blobPath(blob.digest));
    file.once("error", (cause) => counter.destroy(cause));
    return file.pipe(counter);
  }

  #retrying<T>({ signal }: TransferOptions, call: () => Promise<T>): Promise<T> {
    return retrying({ clock: this.#options.clock, signal, attemptsMax: ATTEMPTS_MAX, isConnectRetried: false }, call);
  }
}

function shortOf({ digest }: Descriptor): string {
  return digest.slice("sha256:".length, "sha256:".length + 12);
}
