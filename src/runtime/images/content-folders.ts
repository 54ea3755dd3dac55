import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { syncFolder, writeFileDurably } from "../../base/durable-file.js";

/**
 * The files of an image store: `blobs/sha256/HEX` by digest, `layers/HEX` unpacked by diff id, `tmp/` for what is being made or thrown
 * away. Whatever has its final name is complete and on disk.
 */
export class ContentFolders {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Also sweeps what a crash left behind. */
  static async open(root: string): Promise<ContentFolders> {
    const folders = new ContentFolders(root);
    await rm(join(root, "tmp"), { recursive: true, force: true });
    for (const name of ["tmp", "layers", join("blobs", "sha256")]) await mkdir(join(root, name), { recursive: true, mode: 0o700 });
    return folders;
  }

  layerFolder(diffId: string): string {
    return join(this.#root, "layers", hexOf(diffId));
  }

  async makeTemporary(): Promise<string> {
    const folder = join(this.#root, "tmp", randomBytes(8).toString("hex"));
    await mkdir(folder, { mode: 0o755 });
    return folder;
  }

  /** Gives an unpacked layer its final name, once all of it is on disk; drops it when the same layer is there already. */
  async keepLayer(temporary: string, diffId: string): Promise<void> {
    const folder = this.layerFolder(diffId);
    if (await exists(folder)) return await this.discard(temporary);
    await rename(temporary, folder);
    await syncFolder(join(this.#root, "layers"));
  }

  async dropLayer(diffId: string): Promise<void> {
    await this.#dropAside(this.layerFolder(diffId));
  }

  /** Removes a temporary folder with everything in it. */
  async discard(temporary: string): Promise<void> {
    await rm(temporary, { recursive: true, force: true });
  }

  async writeBlob(digest: string, bytes: Uint8Array): Promise<void> {
    await writeFileDurably(this.#blob(digest), bytes);
  }

  readBlob(digest: string): Promise<Buffer> {
    return readFile(this.#blob(digest));
  }

  async dropBlob(digest: string): Promise<void> {
    await rm(this.#blob(digest), { force: true });
  }

  /** Removes every layer and blob that is not named: left by a crash between writing and naming them. */
  async sweep(keep: { readonly layers: ReadonlySet<string>; readonly blobs: ReadonlySet<string> }): Promise<void> {
    for (const name of await readdir(join(this.#root, "layers"))) if (!keep.layers.has(`sha256:${name}`)) await this.dropLayer(`sha256:${name}`);
    for (const name of await readdir(join(this.#root, "blobs", "sha256"))) if (!keep.blobs.has(`sha256:${name}`)) await this.dropBlob(`sha256:${name}`);
  }

  /** Renamed first, so that a layer is there as a whole or not at all. */
  async #dropAside(folder: string): Promise<void> {
    const aside = join(this.#root, "tmp", randomBytes(8).toString("hex"));
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true });
  }

  #blob(digest: string): string {
    return join(this.#root, "blobs", "sha256", hexOf(digest));
  }
}

/** Writes everything that the file system of `path` has in memory to its disk: one call for the thousands of files of a layer. */
export async function syncFileSystem(path: string): Promise<void> {
  await promisify(execFile)("sync", ["-f", path]);
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}
