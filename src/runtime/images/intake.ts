import { createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { ClusterError } from "../../base/errors.js";
import type { ImageInfo } from "../image-store.js";
import { finishDigest, startDigest } from "./digest.js";
import type { ImageCatalog } from "./image-catalog.js";
import type { EncodedManifest } from "./manifest.js";
import type { UnpackedLayer } from "./unpacker.js";

/** A file with content of its own, on disk. */
export interface ReceivedFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** As in media types of layers. */
  readonly compression: "" | "+gzip" | "+zstd";
}

/**
 * One operation that brings images to this host: what it brings is held until it ends, and becomes part of the store only as whole images. When it fails
 * nothing of it is left but downloads that can be resumed.
 */
export class Intake implements AsyncDisposable {
  readonly #catalog: ImageCatalog;
  readonly #held = new Set<string>();
  readonly #temporaries: string[] = [];
  /** Verified files by digest, of blobs that are not in the store yet. */
  readonly #files = new Map<string, string>();
  /** Unpacked, by diff id. */
  readonly #layers = new Map<string, { readonly folder: string; readonly sizeBytes: number }>();

  constructor(catalog: ImageCatalog) {
    this.#catalog = catalog;
  }

  /** Protects content from being collected until the end of the operation, whether it is there yet or not. */
  hold(digests: readonly string[]): Promise<void> {
    return this.#catalog.change(async () => {
      for (const digest of digests) {
        if (this.#held.has(digest)) continue;
        this.#held.add(digest);
        this.#catalog.leases.hold(digest);
      }
    });
  }

  /** Of held content only. */
  hasBlob(digest: string): Promise<boolean> {
    return this.#catalog.folders.hasBlob(digest);
  }

  /** Whether this operation brought the blob. */
  has(digest: string): boolean {
    return this.#files.has(digest);
  }

  async hasLayer(diffId: string): Promise<boolean> {
    return this.#layers.has(diffId) || (await this.#catalog.folders.hasLayer(diffId));
  }

  /** Keeps a stream as a file. Throws what the stream failed with. */
  async receive(stream: AsyncIterable<Uint8Array>): Promise<ReceivedFile> {
    const path = this.#catalog.folders.temporaryPath();
    this.#temporaries.push(path);
    const hash = startDigest();
    let sizeBytes = 0;
    let head = Buffer.alloc(0);
    async function* digested(chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        if (head.length < 4) head = Buffer.concat([head, chunk.subarray(0, 4)]);
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    }
    await pipeline(stream, digested, createWriteStream(path, { mode: 0o600 }));
    const file = await open(path, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    const digest = finishDigest(hash);
    await this.hold([digest]);
    this.addFile(digest, path);
    return { path, digest, sizeBytes, compression: compressionOf(head) };
  }

  /** A file that is on disk and verified becomes a blob with the image. */
  addFile(digest: string, path: string): void {
    this.#files.set(digest, path);
  }

  /** Path of a blob that was received, or is in the store and held. */
  pathOf(digest: string): string {
    return this.#files.get(digest) ?? this.#catalog.folders.blobPath(digest);
  }

  /** Unpacks a blob. Throws ClusterError `invalid_argument` when it is no archive, or not the one with the diff id that it should have. */
  async unpack(digest: string, diffId: string | null): Promise<UnpackedLayer> {
    const { folders, unpacker, logger } = this.#catalog;
    const folder = await folders.makeTemporary();
    this.#temporaries.push(folder);
    const layer = await unpacker.unpack(relative(folders.root, this.pathOf(digest)), relative(folders.root, folder));
    if (diffId !== null && layer.diffId !== diffId) {
      throw new ClusterError("invalid_argument", `layer ${digest} has the content ${layer.diffId}, and the image's configuration says ${diffId}`);
    }
    if (layer.dropped.length > 0) logger.warn({ layer: digest, dropped: layer.dropped }, "this file system does not keep some attributes of a layer");
    await this.hold([layer.diffId]);
    this.#layers.set(layer.diffId, { folder, sizeBytes: layer.sizeBytes });
    return layer;
  }

  /** The image with everything that it needs becomes part of the store, at once. Resolves with what it is then: somebody may remove it the moment after. */
  async commit(image: {
    readonly id: string;
    readonly config: Buffer;
    readonly manifest: EncodedManifest;
    readonly references: readonly string[];
  }): Promise<ImageInfo> {
    const { folders, unpacker } = this.#catalog;
    await this.hold([image.id, image.manifest.descriptor.digest]);
    if (this.#layers.size > 0) await unpacker.sync();
    return await this.#catalog.change(async () => {
      for (const [digest, path] of this.#files) await folders.linkBlob(path, digest);
      for (const [diffId, { folder }] of this.#layers) await folders.keepLayer(folder, diffId);
      await this.#catalog.add({ ...image, layerSizes: Object.fromEntries([...this.#layers].map(([diffId, { sizeBytes }]) => [diffId, sizeBytes])) });
      return this.#catalog.info(image.id);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#catalog.change(async () => {
      for (const digest of this.#held) this.#catalog.leases.release(digest);
      await this.#catalog.collect([...this.#held]);
    });
    for (const path of this.#temporaries) await this.#catalog.folders.discard(path);
  }
}

function compressionOf(head: Buffer): ReceivedFile["compression"] {
  if (head[0] === 0x1f && head[1] === 0x8b) return "+gzip";
  return head.length >= 4 && head.readUInt32LE() === 0xfd2fb528 ? "+zstd" : "";
}
