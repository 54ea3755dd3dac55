import type { Readable } from "node:stream";
import type { HealthConfig } from "./container-config.js";

/** Images of one host: content by digest, layers unpacked once and shared. References are normalised as Docker does. */
export interface ImageStore {
  /** Makes an image of one layer from a root file system tar (plain, gzip or zstd). Nothing is left behind when it fails. */
  import(tar: Readable, options: ImportOptions): Promise<ImageInfo>;
  /** Makes an image of another one and one more layer on top of it. Throws `failed_precondition` for an image whose archives were not kept. Nothing is left behind when it fails. */
  commit(imageId: string, layer: Readable, options: CommitOptions): Promise<ImageInfo>;
  /** Brings the images of an archive that `save` or docker save wrote, or of an OCI layout: all of them or none. Throws `invalid_argument`. */
  load(archive: Readable): Promise<readonly LoadedImage[]>;
  /** An archive of images; read it to its end or destroy it. Throws `not_found`, or `failed_precondition` for an image whose archives were not kept. */
  save(references: readonly string[]): Promise<Readable>;
  /** Throws ClusterError `not_found` or `invalid_argument`. */
  tag(reference: string, target: string): Promise<void>;
  /** By reference, digest, full id or unique id prefix; undefined when there is none. Throws `invalid_argument` when malformed or ambiguous. */
  resolve(reference: string): ImageInfo | undefined;
  list(): readonly ImageInfo[];
  /** Removes a reference, and the image with its last one. Throws `not_found`, or `conflict` when a container uses it and `force` is not set. */
  remove(reference: string, options: { readonly force: boolean; readonly isInUse: (imageId: string) => boolean }): Promise<readonly ImageRemoval[]>;
  /** How an image came about, newest step first. Throws `not_found`. */
  history(reference: string): readonly HistoryStep[];
  /** Removes every image that is not wanted, and downloads that broke off. */
  prune(options: { readonly isWanted: (image: ImageInfo) => boolean }): Promise<{ readonly removals: readonly ImageRemoval[]; readonly freedBytes: number }>;
  /** Bytes in the files of a layer, by its diff id; 0 for one that is not here. */
  layerSizeBytes(diffId: string): number;
  /** Folders of its layers, uppermost first: the lowerdir list of overlayfs. */
  layerFolders(imageId: string): readonly string[];
  /** Called after each thing that was done, until the returned function is called. */
  onChange(listener: (change: ImageChange) => void): () => void;
}

/** Something that was done to an image, in the words of the engine API's events. */
export interface ImageChange {
  readonly action: "pull" | "push" | "import" | "load" | "save" | "tag" | "untag" | "delete";
  /** The image's id; of `pull` and `push` its familiar reference. */
  readonly subject: string;
  /** The name in question; the id where there is none. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface LoadedImage {
  readonly id: string;
  /** Familiar; empty for an image that the archive has no name for. */
  readonly reference: string;
}

export interface HistoryStep {
  /** 0 when it is not known. */
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly sizeBytes: number;
}

export type ImageRemoval = { readonly type: "untagged"; readonly reference: string } | { readonly type: "deleted"; readonly id: string };

export interface ImportOptions {
  /** Empty leaves the image without a name. */
  readonly reference: string;
  readonly message: string;
  /** Dockerfile instructions: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR. */
  readonly changes: readonly string[];
  /** `os[/arch[/variant]]`; empty is this host's. */
  readonly platform: string;
}

export interface CommitOptions {
  /** Empty leaves the image without a name. */
  readonly reference: string;
  readonly author: string;
  readonly message: string;
  /** The command that made the layer, for the history. */
  readonly createdBy: string;
  /** All that the new image says. */
  readonly config: ImageConfig;
}

export interface ImageInfo {
  /** `sha256:` and the digest of its configuration. */
  readonly id: string;
  /** Familiar references: `bb:v1`. */
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly createdAtMs: number;
  readonly sizeBytes: number;
  readonly architecture: string;
  /** Empty when the architecture has none, or only one. */
  readonly variant: string;
  readonly os: string;
  readonly author: string;
  readonly comment: string;
  /** Digests of the unpacked layers, lowest first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

/** The run part of an OCI image configuration. */
export interface ImageConfig {
  readonly user: string;
  readonly exposedPorts: readonly string[];
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  /** Null when it says nothing of health. */
  readonly health: HealthConfig | null;
  /** Runs lines of the shell form; empty is /bin/sh. */
  readonly shell: readonly string[];
}
