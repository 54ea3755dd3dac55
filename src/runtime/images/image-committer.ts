import type { Readable } from "node:stream";
import type { CommitOptions, ImageInfo } from "../image-store.js";
import type { ImageCatalog } from "./image-catalog.js";
import { encodeChild } from "./image-document.js";
import { Intake } from "./intake.js";
import { type Descriptor, OCI_CONFIG, OCI_LAYER, encodeManifest } from "./manifest.js";

const DOCKER_LAYER = /^application\/vnd\.docker\.image\.rootfs\.diff\.tar(?:\.(gzip|zstd))?$/;

/** An image of another one and one more layer, which is kept and digested as it comes. A layer with nothing in it is left out. */
export async function commitLayer(
  catalog: ImageCatalog,
  parentId: string,
  layer: Readable,
  options: CommitOptions & { readonly references: readonly string[] },
): Promise<ImageInfo> {
  await using intake = new Intake(catalog);
  try {
    const parent = catalog.documentOf(parentId);
    const { layers } = catalog.manifestOf(parentId);
    await intake.hold([...parent.rootfs.diff_ids, ...layers.map(({ digest }) => digest)]);
    const archive = await intake.receive(layer);
    const { diffId, entries } = await intake.unpack(archive.digest, null);
    const { config, author, createdBy, message } = options;
    const entry = { created_by: createdBy, comment: message };
    const child = encodeChild(parent, { config, layer: entries === 0 ? null : diffId, createdAtMs: catalog.clock.now(), author, entry });
    const own = entries === 0 ? [] : [{ mediaType: OCI_LAYER + archive.compression, digest: archive.digest, size: archive.sizeBytes }];
    const manifest = encodeManifest({ mediaType: OCI_CONFIG, digest: child.id, size: child.bytes.length }, [...layers.map(asOci), ...own]);
    return await intake.commit({ id: child.id, config: child.bytes, manifest, references: options.references });
  } finally {
    // Whoever writes it shall not wait for a reader that has given up.
    layer.destroy();
  }
}

/** A manifest of OCI's has OCI's names for layers that a Docker image brought. */
function asOci({ mediaType, ...rest }: Descriptor): Descriptor {
  const match = DOCKER_LAYER.exec(mediaType);
  return { mediaType: match === null ? mediaType : `${OCI_LAYER}${match[1] === undefined ? "" : `+${match[1]}`}`, ...rest };
}
