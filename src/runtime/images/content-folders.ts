import { randomBytes } from "node:crypto";
import { access, link, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeFileDurably } from "../../base/durable-file.js";
import { systemCodeOf } from "../../base/errors.js";

/**
 * The files of an image store: `blobs/sha256/HEX` by digest, `layers/HEX` unpacked by diff id, `downloads/HEX` what is being fetched and can be resumed,
 * `tmp/` what is being made or thrown away. What is in `blobs` and `layers` is complete and on disk.
 */
export class ContentFolders {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Also sweeps what a crash left behind. */
  static async open(root: string): Promise<ContentFolders> {
    const folders = new ContentFolders(root);
    await rm(join(root, "tmp"), { recursive: true, force: true });
    for (const name of ["tmp", "layers", "downloads", join("blobs", "sha256")]) await mkdir(join(root, name), { recursive: true, mode: 0o700 });
    return folders;
  }

  layerFolder(diffId: string): string {
    return join(this.root, "layers", hexOf(diffId));
  }

  blobPath(digest: string): string {
    return join(this.root, "blobs", "sha256", hexOf(digest));
  }

  downloadPath(digest: string): string {
    return join(this.root, "downloads", hexOf(digest));
  }

  /** A new name below `tmp`. */
  temporaryPath(): string {
    return join(this.root, "tmp", randomBytes(8).toString("hex"));
  }

  async makeTemporary(): Promise<string> {
    const folder = this.temporaryPath();
    await mkdir(folder, { mode: 0o755 });
    return folder;
  }

  async hasLayers(): Promise<boolean> {
    return (await readdir(join(this.root, "layers"))).length > 0;
  }

  hasLayer(diffId: string): Promise<boolean> {
    return exists(this.layerFolder(diffId));
  }

  hasBlob(digest: string): Promise<boolean> {
    return exists(this.blobPath(digest));
  }

  /** Gives an unpacked layer its final name, once all of it is on disk; drops it when the same layer is there already. */
  async keepLayer(temporary: string, diffId: string): Promise<void> {
    const folder = this.layerFolder(diffId);
    if (await exists(folder)) return await this.discard(temporary);
    await rename(temporary, folder);
    await syncFolder(join(this.root, "layers"));
  }

  async dropLayer(diffId: string): Promise<void> {
    await this.#dropAside(this.layerFolder(diffId));
  }

  /** Removes a temporary file, or a folder with everything in it. */
  async discard(temporary: string): Promise<void> {
    await rm(temporary, { recursive: true, force: true });
  }

  async writeBlob(digest: string, bytes: Uint8Array): Promise<void> {
    await writeFileDurably(this.blobPath(digest), bytes);
  }

  /** Makes a file that is on disk and verified a blob; its old name stays. */
  async linkBlob(path: string, digest: string): Promise<void> {
    try {
      await link(path, this.blobPath(digest));
    } catch (cause) {
      if (systemCodeOf(cause) !== "EEXIST") throw cause;
    }
    await syncFolder(join(this.root, "blobs", "sha256"));
  }

  readBlob(digest: string): Promise<Buffer> {
    return readFile(this.blobPath(digest));
  }

  async blobSizeBytes(digest: string): Promise<number> {
    return (await stat(this.blobPath(digest))).size;
  }

  async dropBlob(digest: string): Promise<void> {
    await rm(this.blobPath(digest), { force: true });
  }

  async dropDownload(digest: string): Promise<void> {
    await rm(this.downloadPath(digest), { force: true });
  }

  /** Removes every layer and blob that is not named: left by a crash between writing and naming them. */
  async sweep(keep: { readonly layers: ReadonlySet<string>; readonly blobs: ReadonlySet<string> }): Promise<void> {
    for (const name of await readdir(join(this.root, "layers"))) if (!keep.layers.has(`sha256:${name}`)) await this.dropLayer(`sha256:${name}`);
    for (const name of await readdir(join(this.root, "blobs", "sha256"))) if (!keep.blobs.has(`sha256:${name}`)) await this.dropBlob(`sha256:${name}`);
  }

  /** Removes downloads that nobody went on with since `beforeMs`. Resolves with the bytes that they had. */
  async sweepDownloads(beforeMs: number, isWanted: (digest: string) => boolean): Promise<number> {
    let freedBytes = 0;
    for (const name of await readdir(join(this.root, "downloads"))) {
      const { mtimeMs, size } = await stat(join(this.root, "downloads", name));
      if (mtimeMs >= beforeMs || isWanted(`sha256:${name}`)) continue;
      await rm(join(this.root, "downloads", name), { force: true });
      freedBytes += size;
    }
    return freedBytes;
  }

  /** Renamed first, so that a layer is there as a whole or not at all. */
  async #dropAside(folder: string): Promise<void> {
    const aside = this.temporaryPath();
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}
