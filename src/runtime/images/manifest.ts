import { ClusterError } from "../../base/errors.js";
import { inOneLine } from "../../base/one-line.js";
import { digestOf, isDigest } from "./digest.js";
import type { ImagePlatform } from "./platform.js";
import { parseJson } from "./parse-json.js";

/** Points to content (OCI image specification, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface PlatformDescriptor extends Descriptor {
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant: string; readonly osVersion: string } | null;
}

/** One image: its configuration and its layers, lowest first. */
export interface ImageManifest {
  readonly type: "image";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Images of several platforms. */
export interface ImageList {
  readonly type: "list";
  readonly manifests: readonly PlatformDescriptor[];
}

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

/** What a registry is told that we can read. */
export const MANIFEST_TYPES: readonly string[] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

const IMAGE_CONFIGS: readonly string[] = [OCI_CONFIG, "application/vnd.docker.container.image.v1+json", "application/octet-stream"];
/** As many as overlayfs mounts. */
const LAYERS_MAX = 500;

/** The bytes of a manifest with the descriptor that names them. */
export interface EncodedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A manifest of an image that was made here (OCI image-spec, manifest.md). */
export function encodeManifest(config: Descriptor, layers: readonly Descriptor[]): EncodedManifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }));
  return { bytes, descriptor: { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length } };
}

/**
 * Reads a manifest or an index, of OCI or of Docker (schema 2). `mediaType` is what the transport said, empty when it said nothing; what the document says
 * itself must not differ. Throws ClusterError `invalid_argument` that says what is wrong.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): (ImageManifest | ImageList) & { readonly mediaType: string } {
  const document = objectOf(parseJson(bytes, "the manifest"), "the manifest");
  const own = typeof document.mediaType === "string" ? inOneLine(document.mediaType) : "";
  if (document.schemaVersion !== 2)
    throw invalid(`the manifest has schema version ${inOneLine(JSON.stringify(document.schemaVersion) ?? "none")}, which is not supported: only version 2 is`);
  const given = MANIFEST_TYPES.includes(mediaType) ? mediaType : "";
  if (own !== "" && given !== "" && own !== given) throw invalid(`the manifest says it is ${own} and came as ${given}`);
  const isList = Array.isArray(document.manifests);
  // Which of the two it is must not depend on who reads it (CVE-2021-41190).
  if (isList && (document.config !== undefined || document.layers !== undefined)) throw invalid("the manifest is an index and an image at once");
  const type = own || given || (isList ? OCI_INDEX : OCI_MANIFEST);
  if (!MANIFEST_TYPES.includes(type)) throw invalid(`the manifest is of the unknown type ${type}`);
  if (isList !== (type === OCI_INDEX || type === DOCKER_LIST)) throw invalid(`the manifest says it is ${type} and is not`);
  return { mediaType: type, ...(isList ? listOf(document.manifests as readonly unknown[]) : imageOf(document)) };
}

/** The image of a list that runs on a platform: the exact variant, else the one closest below it, else one without. Undefined when there is none. */
export function choosePlatform(list: ImageList, wanted: ImagePlatform): PlatformDescriptor | undefined {
  const matching = list.manifests.filter(({ platform }) => platform !== null && platform.os === wanted.os && platform.architecture === wanted.architecture);
  const variant = wanted.variant === "" ? defaultVariantOf(wanted.architecture) : wanted.variant;
  const rank = (item: PlatformDescriptor) => {
    const own = item.platform?.variant || defaultVariantOf(wanted.architecture);
    if (own === variant) return 0;
    if (wanted.architecture === "arm" || wanted.architecture === "amd64") return levelOf(own) < levelOf(variant) ? levelOf(variant) - levelOf(own) : 1000;
    return wanted.variant === "" ? 1 : 1000;
  };
  return matching.filter((item) => rank(item) < 1000).toSorted((a, b) => rank(a) - rank(b))[0];
}

/** `linux/arm64/v8`. */
function defaultVariantOf(architecture: string): string {
  return { arm64: "v8", arm: "v7", amd64: "v1" }[architecture] ?? "";
}

function levelOf(variant: string): number {
  return Number(/^v(\d+)/.exec(variant)?.[1] ?? 0);
}

function imageOf(document: Readonly<Record<string, unknown>>): ImageManifest {
  const config = descriptorOf(document.config, "the manifest's config");
  if (!IMAGE_CONFIGS.includes(config.mediaType))
    throw invalid(`the manifest is not that of a container image: its config is of type ${inOneLine(config.mediaType)}`);
  if (!Array.isArray(document.layers)) throw invalid("the manifest has no layers");
  if (document.layers.length > LAYERS_MAX)
    throw invalid(`the manifest has ${document.layers.length} layers, and ${LAYERS_MAX} is the most that can be mounted`);
  return { type: "image", config, layers: document.layers.map((layer, index) => layerOf(layer, index)) };
}

function layerOf(value: unknown, index: number): Descriptor {
  const layer = descriptorOf(value, `layer ${index + 1} of the manifest`);
  if (!/[./]tar([.+](gzip|zstd))?$/.test(layer.mediaType))
    throw invalid(`layer ${index + 1} of the manifest is of the unsupported type ${inOneLine(layer.mediaType)}`);
  return layer;
}

function listOf(manifests: readonly unknown[]): ImageList {
  return {
    type: "list",
    manifests: manifests.map((value, index) => {
      const descriptor = descriptorOf(value, `entry ${index + 1} of the index`);
      const { platform } = value as { readonly platform?: unknown };
      if (platform === undefined || platform === null) return { ...descriptor, platform: null };
      const fields = objectOf(platform, `the platform of entry ${index + 1} of the index`);
      const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
      return { ...descriptor, platform: { os: text("os"), architecture: text("architecture"), variant: text("variant"), osVersion: text("os.version") } };
    }),
  };
}

function descriptorOf(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size } = objectOf(value, what);
  if (!isDigest(digest)) throw invalid(`${what} has the digest ${inOneLine(JSON.stringify(digest) ?? "none")}, which is not sha256: and 64 hexadecimal digits`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw invalid(`${what} has the size ${inOneLine(JSON.stringify(size) ?? "none")}`);
  return { mediaType: typeof mediaType === "string" ? mediaType : "", digest, size };
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} is not a JSON object`);
  return value as Readonly<Record<string, unknown>>;
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
}
