import type { Clock } from "../../../base/clock.js";
import { ClusterError, isClusterError } from "../../../base/errors.js";
import { type ImageReference, familiarName, familiarReference } from "../../../model/image-reference.js";
import type { EncodedManifest } from "../manifest.js";
import { readRegistryCertificates } from "./certificates.js";
import { decodeCredentials } from "./credentials.js";
import { endpointsOf, type RegistrySettings } from "./endpoints.js";
import { HttpClient } from "./http-client.js";
import type { ProxyEnvironment } from "./proxy.js";
import { Repository } from "./repository.js";
import { retrying } from "./retry.js";

const MANIFEST_ATTEMPTS_MAX = 3;

export interface RegistryClientOptions {
  readonly settings: RegistrySettings;
  readonly environment: ProxyEnvironment;
  readonly clock: Clock;
  /** Without a byte for this long a connection has stalled. */
  readonly stallMs: number;
}

/** The connections of one operation with one repository, by whichever of its endpoints serves. */
export class RegistryClient implements Disposable {
  readonly #options: RegistryClientOptions;
  readonly #http: HttpClient;
  readonly #reference: ImageReference;
  readonly #credentials: string;
  readonly #access: "pull" | "pull,push";

  constructor(
    options: RegistryClientOptions,
    operation: { readonly reference: ImageReference; readonly credentials: string; readonly access: "pull" | "pull,push" },
  ) {
    this.#options = options;
    this.#http = new HttpClient(options);
    this.#reference = operation.reference;
    this.#credentials = operation.credentials;
    this.#access = operation.access;
  }

  /** The manifest or index that the reference names, and who has it. `attemptsMax` 1 is for those who cannot wait. */
  async resolve(signal: AbortSignal, attemptsMax = MANIFEST_ATTEMPTS_MAX): Promise<{ readonly repository: Repository; readonly manifest: EncodedManifest }> {
    const { tag, digest } = this.#reference;
    return await this.onEndpoint(async (repository) => {
      const manifest = await retrying({ clock: this.#options.clock, signal, attemptsMax, isConnectRetried: false }, () =>
        repository.manifest(digest || tag, signal),
      );
      return { repository, manifest };
    });
  }

  /** By the first endpoint that can be connected to; of mirrors, by the first that succeeds. */
  async onEndpoint<T>(call: (repository: Repository) => Promise<T>): Promise<T> {
    const endpoints = endpointsOf(this.#reference.domain, this.#options.settings).filter(({ isMirror }) => !(isMirror && this.#access !== "pull"));
    let failure: unknown;
    for (const plain of endpoints) {
      const endpoint = { ...plain, certificates: await readRegistryCertificates(this.#options.settings.certificates, new URL(plain.base).host) };
      const credentials = decodeCredentials(this.#credentials);
      const repository = new Repository({ http: this.#http, endpoint, path: this.#reference.path, credentials, access: this.#access });
      try {
        return await call(repository);
      } catch (cause) {
        failure = cause;
        const isUnreachable = isClusterError(cause, "unavailable") && cause.details.phase === "connect";
        if (!endpoint.isMirror && !isUnreachable) break;
      }
    }
    throw this.#inWords(failure);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /** Docker's sentences, since scripts know them, and the registry's own words behind. */
  #inWords(cause: unknown): unknown {
    // Without a repository it is a login: what the registry said is all there is to say.
    if (!(cause instanceof ClusterError) || this.#reference.path === "") return cause;
    if (cause.code === "not_found") {
      return new ClusterError("not_found", `manifest for ${familiarReference(this.#reference)} not found: manifest unknown: ${cause.message}`, { cause });
    }
    if (cause.code === "unauthenticated" || cause.code === "permission_denied") {
      const name = familiarName(this.#reference);
      return new ClusterError(
        "not_found",
        `${this.#access === "pull" ? "pull" : "push"} access denied for ${name}, repository does not exist or may require 'docker login': ${cause.message}`,
        { cause },
      );
    }
    return cause;
  }
}
