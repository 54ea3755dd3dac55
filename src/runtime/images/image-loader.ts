import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { ClusterError, messageOf } from "../../base/errors.js";
import { canonicalReference, familiarReference, parseReference } from "../../model/image-reference.js";
import type { LoadedImage } from "../image-store.js";
import type { ImageCatalog } from "./image-catalog.js";
import { decodeImage } from "./decode-image.js";
import { parsePlatform } from "./platform.js";
import { Intake, type ReceivedFile } from "./intake.js";
import { choosePlatform, type Descriptor, encodeManifest, type EncodedManifest, OCI_CONFIG, OCI_LAYER, parseManifest } from "./manifest.js";
import { parseJson } from "./parse-json.js";

const FILES_MAX = 10_000;
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;

/** An image in an archive: its manifest, and what it is called there. */
interface ArchivedImage {
  readonly manifest: EncodedManifest;
  readonly names: readonly string[];
}

/**
 * Brings the images of an archive into the catalog: what `docker save` writes (manifest.json), and OCI layouts (index.json). All of them or none. Throws ClusterError `invalid_argument` for
 * anything else.
 */
export async function loadImages(catalog: ImageCatalog, archive: Readable): Promise<readonly LoadedImage[]> {
  await using intake = new Intake(catalog);
  const files = await ArchiveFiles.read(archive, intake);
  const images = files.has("index.json") ? await imagesOfLayout(files) : await imagesOfDocker(files);
  if (images.length === 0) throw new ClusterError("invalid_argument", "the archive has no image for this host's platform");
  const loaded: LoadedImage[] = [];
  for (const { manifest, names } of images) {
    const id = await loadImage(intake, manifest, names);
    for (const name of names) loaded.push({ id, reference: familiarReference(parseReference(name)) });
    if (names.length === 0) loaded.push({ id, reference: "" });
  }
  return loaded;
}

async function loadImage(intake: Intake, manifest: EncodedManifest, references: readonly string[]): Promise<string> {
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  if (parsed.type !== "image") throw new ClusterError("invalid_argument", "an image of the archive is an index");
  const config = await readDocument(intake, parsed.config.digest);
  const diffIds = decodeImage(config).rootfs.diff_ids;
  if (diffIds.length !== parsed.layers.length)
    throw new ClusterError(
      "invalid_argument",
      `an image of the archive has ${diffIds.length} layers in its configuration and ${parsed.layers.length} in its manifest`,
    );
  await intake.hold([...diffIds, ...parsed.layers.map((layer) => layer.digest)]);
  for (const [index, layer] of parsed.layers.entries()) {
    if (!intake.has(layer.digest) && !(await intake.hasBlob(layer.digest)))
      throw new ClusterError("invalid_argument", `the archive lacks layer ${layer.digest}`);
    if (!(await intake.hasLayer(diffIds[index] ?? ""))) await intake.unpack(layer.digest, diffIds[index] ?? "");
  }
  await intake.commit({ id: parsed.config.digest, config, manifest, references });
  return parsed.config.digest;
}

/** An OCI layout (image specification, image-layout.md): content is found by its digest, whatever the files are called. */
async function imagesOfLayout(files: ArchiveFiles): Promise<readonly ArchivedImage[]> {
  const index = parseManifest(await files.document("index.json"), "");
  if (index.type !== "list") throw new ClusterError("invalid_argument", "index.json of the archive is no index");
  const { manifests } = parseJson(await files.document("index.json"), "index.json") as {
    readonly manifests: readonly { readonly annotations?: Readonly<Record<string, unknown>> }[];
  };
  const images: ArchivedImage[] = [];
  for (const [position, entry] of index.manifests.entries()) {
    const manifest = await imageIn(files, entry);
    if (manifest !== null) images.push({ manifest, names: namesIn(manifests[position]?.annotations ?? {}) });
  }
  return images;
}

async function imageIn(files: ArchiveFiles, { digest, mediaType }: Descriptor): Promise<EncodedManifest | null> {
  const bytes = await readDocument(files.intake, digest);
  const parsed = parseManifest(bytes, mediaType);
  if (parsed.type === "image") return { bytes, descriptor: { mediaType: parsed.mediaType, digest, size: bytes.length } };
  // An archive may have the content of one platform only.
  const chosen = choosePlatform(parsed, parsePlatform(""));
  return chosen === undefined ? null : imageIn(files, chosen);
}

function namesIn(annotations: Readonly<Record<string, unknown>>): readonly string[] {
  const names = [annotations["io.containerd.image.name"], annotations["org.opencontainers.image.ref.name"]];
  // The second may be a tag alone, which names nothing.
  const name = names.find((candidate) => typeof candidate === "string" && /[:/]/.test(candidate));
  return typeof name === "string" ? [canonicalReference(parseReference(name))] : [];
}

/** What `docker save` writes: manifest.json names the files of each image. */
async function imagesOfDocker(files: ArchiveFiles): Promise<readonly ArchivedImage[]> {
  if (!files.has("manifest.json"))
    throw new ClusterError(
      "invalid_argument",
      "the archive has neither index.json nor manifest.json: it is not one of images (docker import takes root file systems)",
    );
  const items = parseJson(await files.document("manifest.json"), "manifest.json");
  if (!Array.isArray(items)) throw new ClusterError("invalid_argument", "manifest.json of the archive is not a list");
  return items.map((item: unknown) => {
    const { Config, RepoTags, Layers } = (item ?? {}) as { readonly Config?: unknown; readonly RepoTags?: unknown; readonly Layers?: unknown };
    if (typeof Config !== "string" || !Array.isArray(Layers))
      throw new ClusterError("invalid_argument", "an image in manifest.json of the archive lacks Config or Layers");
    const config = files.get(Config);
    const layers = Layers.map((name) => files.get(String(name)));
    const manifest = encodeManifest(
      { mediaType: OCI_CONFIG, digest: config.digest, size: config.sizeBytes },
      layers.map((layer) => ({ mediaType: OCI_LAYER + layer.compression, digest: layer.digest, size: layer.sizeBytes })),
    );
    return { manifest, names: (Array.isArray(RepoTags) ? RepoTags : []).map((name) => canonicalReference(parseReference(String(name)))) };
  });
}

async function readDocument(intake: Intake, digest: string): Promise<Buffer> {
  await intake.hold([digest]);
  if (!intake.has(digest) && !(await intake.hasBlob(digest))) throw new ClusterError("invalid_argument", `the archive lacks ${digest}`);
  return await readSmall(intake.pathOf(digest));
}

async function readSmall(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  if (bytes.length > DOCUMENT_BYTES_MAX) throw new ClusterError("invalid_argument", `a document of the archive has ${bytes.length} bytes`);
  return bytes;
}

/** The files of an archive by name, kept aside; links between them are followed. */
class ArchiveFiles {
  readonly intake: Intake;
  readonly #files = new Map<string, ReceivedFile>();
  readonly #links = new Map<string, string>();

  private constructor(intake: Intake) {
    this.intake = intake;
  }

  static async read(archive: Readable, intake: Intake): Promise<ArchiveFiles> {
    const files = new ArchiveFiles(intake);
    const entries = extract();
    const { source, isGzip } = await peekGzip(archive);
    const feeding = (isGzip ? pipeline(source, createGunzip(), entries) : pipeline(source, entries)).catch((cause: unknown) => {
      entries.destroy();
      return { cause };
    });
    try {
      for await (const entry of entries) await files.#add(entry.header, entry);
    } catch (cause) {
      throw archiveError(cause);
    }
    const failed = await feeding;
    if (failed !== undefined) throw archiveError(failed.cause);
    return files;
  }

  has(name: string): boolean {
    return this.#files.has(name) || this.#links.has(name);
  }

  get(name: string): ReceivedFile {
    let path = posix.normalize(name);
    for (let links = 0; links < 10; links++) {
      const file = this.#files.get(path);
      if (file !== undefined) return file;
      path = this.#links.get(path) ?? "";
    }
    throw new ClusterError("invalid_argument", `the archive lacks the file ${name}`);
  }

  document(name: string): Promise<Buffer> {
    return readSmall(this.get(name).path);
  }

  async #add({ name, type, linkname }: Header, content: AsyncIterable<unknown> & { resume(): unknown }): Promise<void> {
    const path = posix.normalize(name);
    if (this.#files.size + this.#links.size >= FILES_MAX) throw new ClusterError("invalid_argument", `the archive has more than ${FILES_MAX} files`);
    if (type === "file" || type === "contiguous-file") this.#files.set(path, await this.intake.receive(content as AsyncIterable<Uint8Array>));
    else content.resume();
    if (type === "symlink") this.#links.set(path, posix.normalize(posix.join(posix.dirname(path), linkname ?? "")));
    if (type === "link") this.#links.set(path, posix.normalize(linkname ?? ""));
  }
}

async function peekGzip(archive: Readable): Promise<{ readonly source: AsyncIterable<Uint8Array>; readonly isGzip: boolean }> {
  const chunks = archive[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all() {
    if (head.length > 0) yield head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  return { source: all(), isGzip: head[0] === 0x1f && head[1] === 0x8b };
}

function archiveError(cause: unknown): ClusterError {
  return cause instanceof ClusterError ? cause : new ClusterError("invalid_argument", `not a valid archive of images: ${messageOf(cause)}`, { cause });
}
