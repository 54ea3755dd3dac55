import type { Readable } from "node:stream";
import type { ImageInfo } from "./image-store.js";

/** Images to and from registries. Failures are ClusterErrors whose message names the registry and what it said. */
export interface ImageTransfer {
  /**
   * Brings an image to this host, or makes sure that it is the newest of its name. Throws `not_found` when the registry does not have it or does not let us know, `unavailable`
   * when the registry cannot be reached, `invalid_argument` when what came is not what was promised.
   */
  pull(reference: string, options: PullOptions): Promise<PulledImage>;
  /** Sends an image to the registry that its name says. */
  push(reference: string, options: TransferOptions): Promise<PushedImage>;
  /** What a registry has under a name, without fetching it. */
  inspect(reference: string, options: Pick<TransferOptions, "credentials" | "signal">): Promise<RemoteImage>;
  /** The tags that a repository has. `name` has no tag itself. */
  tags(name: string, options: Pick<TransferOptions, "credentials" | "signal">): Promise<readonly string[]>;
  /**
   * An archive by its URL, for an import; resolves when it begins to come. Throws `invalid_argument` for what is no URL of a web server, `unavailable`, `not_found` or `failed_precondition` with
   * what the server did instead; the stream fails likewise.
   */
  open(url: string, options: Pick<TransferOptions, "signal">): Promise<{ readonly stream: Readable; readonly sizeBytes: number | null }>;
  /**
   * Whether a registry, `docker.io` or `host[:port]`, knows who asks. Resolves with a token that stands for name and password from now on; empty where the registry gives none. Throws
   * `unauthenticated` when it does not.
   */
  login(domain: string, options: Pick<TransferOptions, "credentials" | "signal">): Promise<string>;
}

export interface TransferOptions {
  /** The X-Registry-Auth header; empty is nobody in particular. */
  readonly credentials: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: TransferProgress) => void;
}

export interface PullOptions extends TransferOptions {
  /** `os[/arch[/variant]]`; empty is this host's. */
  readonly platform: string;
}

/** Something to tell whoever waits. */
export interface TransferProgress {
  readonly status: string;
  /** Which layer or tag; empty for the operation as a whole. */
  readonly id: string;
  /** Absent where nothing is counted. */
  readonly currentBytes?: number;
  readonly totalBytes?: number;
}

export interface PulledImage {
  readonly image: ImageInfo;
  /** What the registry calls it: the digest of its manifest, or of the index that this one is from. */
  readonly digest: string;
  readonly isNew: boolean;
}

export interface PushedImage {
  readonly tag: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface RemoteImage {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platforms: readonly { readonly os: string; readonly architecture: string; readonly variant: string; readonly osVersion: string }[];
}
