import { ClusterError, isClusterError } from "../../base/errors.js";
import { parseReference } from "../../model/image-reference.js";
import type { ImageTransfer, PulledImage, PullOptions, PushedImage, RemoteImage, TransferOptions } from "../image-transfer.js";
import { digestOf } from "./digest.js";
import type { ImageCatalog } from "./image-catalog.js";
import { decodeImage } from "./decode-image.js";
import { ImagePuller } from "./image-puller.js";
import { ImagePusher } from "./image-pusher.js";
import { parseManifest } from "./manifest.js";
import { readBody } from "./registry/http-client.js";
import { openUrlArchive, type UrlArchive } from "./url-archive.js";
import { RegistryClient, type RegistryClientOptions } from "./registry/registry-client.js";

/** Images to and from registries that speak the OCI distribution specification (Docker's registry, version 2). */
export class RegistryTransfer implements ImageTransfer {
  readonly #puller: ImagePuller;
  readonly #pusher: ImagePusher;
  readonly #options: RegistryClientOptions;

  constructor(catalog: ImageCatalog, options: RegistryClientOptions) {
    this.#puller = new ImagePuller(catalog, options);
    this.#pusher = new ImagePusher(catalog, options);
    this.#options = options;
  }

  pull(reference: string, options: PullOptions): Promise<PulledImage> {
    return this.#puller.pull(reference, options);
  }

  push(reference: string, options: TransferOptions): Promise<PushedImage> {
    return this.#pusher.push(reference, options);
  }

  async tags(name: string, { credentials, signal }: Pick<TransferOptions, "credentials" | "signal">): Promise<readonly string[]> {
    using client = new RegistryClient(this.#options, { reference: parseReference(name), credentials, access: "pull" });
    return await client.onEndpoint((repository) => repository.tags(signal));
  }

  open(url: string, { signal }: Pick<TransferOptions, "signal">): Promise<UrlArchive> {
    return openUrlArchive(url, { stallMs: this.#options.stallMs, environment: this.#options.environment, signal });
  }

  async login(domain: string, { credentials, signal }: Pick<TransferOptions, "credentials" | "signal">): Promise<string> {
    const reference = { domain, path: "", tag: "", digest: "" };
    // With the access that mirrors do not have: they are somebody else.
    using client = new RegistryClient(this.#options, { reference, credentials, access: "pull,push" });
    try {
      return await client.onEndpoint((repository) => repository.introduce(signal));
    } catch (cause) {
      throw isClusterError(cause, "permission_denied") ? new ClusterError("unauthenticated", cause.message, { cause }) : cause;
    }
  }

  /** One attempt: clients ask before they create a service, and go on without an answer. */
  async inspect(text: string, { credentials, signal }: Pick<TransferOptions, "credentials" | "signal">): Promise<RemoteImage> {
    using client = new RegistryClient(this.#options, { reference: parseReference(text), credentials, access: "pull" });
    const { repository, manifest } = await client.resolve(signal, 1);
    const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
    const described = { mediaType: parsed.mediaType, digest: manifest.descriptor.digest, sizeBytes: manifest.descriptor.size };
    if (parsed.type === "list") return { ...described, platforms: parsed.manifests.flatMap(({ platform }) => (platform === null ? [] : [platform])) };
    const { reply, url } = await repository.blob(parsed.config, 0, signal);
    const config = await readBody(reply, url);
    if (digestOf(config) !== parsed.config.digest)
      throw new ClusterError("invalid_argument", `${url.host} sent another configuration than ${parsed.config.digest}`);
    const { os, architecture, variant = "" } = decodeImage(config);
    return { ...described, platforms: [{ os, architecture, variant, osVersion: "" }] };
  }
}
