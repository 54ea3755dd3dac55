import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { ClusterError } from "../../base/errors.js";
import { familiarReference, parseReference } from "../../model/image-reference.js";
import type { ImageCatalog } from "./image-catalog.js";
import { Intake } from "./intake.js";
import { OCI_INDEX } from "./manifest.js";

/** An image and the canonical names that the archive shall have for it. */
export interface SavedImage {
  readonly id: string;
  readonly names: readonly string[];
}

/**
 * An archive of images that is an OCI layout and Docker's own form at once, as current releases of Docker write it. Content is held until the archive has been read or
 * destroyed.
 */
export async function saveImages(catalog: ImageCatalog, images: readonly SavedImage[]): Promise<Readable> {
  const manifests = images.map(({ id, names }) => ({ ...catalog.manifestOf(id), names }));
  const intake = new Intake(catalog);
  const digests = [...new Set(manifests.flatMap(({ config, layers, descriptor }) => [config, descriptor, ...layers].map((item) => item.digest)))];
  await intake.hold(digests);
  const archive = pack();
  const document = (name: string, value: unknown) => void archive.entry({ name, mode: 0o644, mtime: new Date(0) }, JSON.stringify(value));
  const write = async () => {
    document("oci-layout", { imageLayoutVersion: "1.0.0" });
    document("index.json", {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: manifests.flatMap(({ descriptor, names }) =>
        names.length === 0 ? [descriptor] : names.map((name) => ({ ...descriptor, annotations: annotationsOf(name) })),
      ),
    });
    document(
      "manifest.json",
      manifests.map(({ config, layers, names }) => ({
        Config: pathOf(config.digest),
        RepoTags: names.map((name) => familiarReference(parseReference(name))),
        Layers: layers.map((layer) => pathOf(layer.digest)),
      })),
    );
    for (const digest of digests) {
      const size = await catalog.folders.blobSizeBytes(digest);
      const entry = archive.entry({ name: pathOf(digest), mode: 0o644, mtime: new Date(0), size });
      await pipeline(createReadStream(catalog.folders.blobPath(digest)), entry);
    }
    archive.finalize();
  };
  write()
    .catch((cause: unknown) => archive.destroy(ClusterError.from(cause)))
    .finally(() => intake[Symbol.asyncDispose]())
    .catch((cause: unknown) => catalog.logger.error({ err: cause }, "content of images that were saved could not be released"));
  return Readable.from(archive, { objectMode: false });
}

function annotationsOf(name: string): Readonly<Record<string, string>> {
  return { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": parseReference(name).tag };
}

function pathOf(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}
