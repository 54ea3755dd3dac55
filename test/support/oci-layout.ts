import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface LayoutImage {
  /** Archives, lowest first; each is stored as `compress` makes it. */
  readonly layers: readonly Buffer[];
  readonly compress?: { readonly suffix: string; readonly apply: (archive: Buffer) => Buffer };
  readonly architecture?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

const GZIP = { suffix: "+gzip", apply: (archive: Buffer) => gzipSync(archive, { level: 1 }) };
const OCI = "application/vnd.oci.image";

/** Writes an OCI layout with one image, or with an index of several platforms, under the tag `v1`: what `skopeo copy oci:FOLDER:v1 …` takes. */
export function writeLayout(folder: string, images: readonly LayoutImage[]): void {
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  const put = (bytes: Buffer, mediaType: string) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(folder, "blobs/sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown, mediaType: string) => put(Buffer.from(JSON.stringify(value)), mediaType);
  const manifests = images.map(({ layers, compress = GZIP, architecture = "amd64", config = {} }) => {
    const rootfs = { type: "layers", diff_ids: layers.map((layer) => `sha256:${createHash("sha256").update(layer).digest("hex")}`) };
    const history = layers.map((_, index) => ({ created: "2024-05-06T07:08:09Z", created_by: `step ${index + 1}` }));
    const document = { created: "2024-05-06T07:08:09Z", architecture, os: "linux", config, rootfs, history };
    const manifest = {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: json(document, `${OCI}.config.v1+json`),
      layers: layers.map((layer) => put(compress.apply(layer), `${OCI}.layer.v1.tar${compress.suffix}`)),
    };
    return { ...json(manifest, `${OCI}.manifest.v1+json`), platform: { os: "linux", architecture } };
  });
  const [only] = manifests;
  const top = manifests.length === 1 ? only : json({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }, `${OCI}.index.v1+json`);
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...top, annotations: { "org.opencontainers.image.ref.name": "v1" } }] }),
  );
}
