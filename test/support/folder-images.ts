import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterError } from "../../src/base/errors.js";
import type { ImageConfig, ImageInfo } from "../../src/runtime/image-store.js";
import { EMPTY_CONFIG } from "../../src/runtime/images/import-changes.js";
import { imageInfo, PartialImageStore } from "./partial-image-store.js";

const APPLETS = [
  "sh",
  "true",
  "false",
  "echo",
  "cat",
  "sleep",
  "id",
  "env",
  "pwd",
  "hostname",
  "ls",
  "touch",
  "mkdir",
  "grep",
  "head",
  "dd",
  "seq",
  "mknod",
  "ip",
  "wc",
  "mount",
  "rm",
  "ping",
  "chmod",
  "stty",
  "tty",
  "ln",
  "mv",
  "chown",
  "kill",
];

/** An image store without files of its own: each image is a list of folders that are there. Only what a runtime asks is answered. */
export class FolderImages extends PartialImageStore {
  readonly #images = new Map<string, { readonly info: ImageInfo; readonly folders: readonly string[] }>();

  add(reference: string, folders: readonly string[], config: Partial<ImageConfig> = {}): ImageInfo {
    const id = `sha256:${randomBytes(32).toString("hex")}`;
    const info = imageInfo({ id, tags: [reference], config: { ...EMPTY_CONFIG, ...config } });
    this.#images.set(reference, { info, folders });
    return info;
  }

  override resolve(reference: string): ImageInfo | undefined {
    return this.#images.get(reference)?.info ?? this.list().find((info) => info.id === reference);
  }

  override list(): readonly ImageInfo[] {
    return [...this.#images.values()].map((image) => image.info);
  }

  override layerFolders(imageId: string): readonly string[] {
    const found = [...this.#images.values()].find((image) => image.info.id === imageId);
    if (found === undefined) throw new ClusterError("not_found", `No such image: ${imageId}`);
    return found.folders;
  }

  /** As one whose files are damaged: nothing is known of it any more, and its layers stay. */
  forget(reference: string): void {
    this.#images.delete(reference);
  }
}

/** Fills a folder with a root file system of Debian's static busybox. */
export function makeBusyboxRoot(folder: string): string {
  for (const name of ["bin", "etc", "tmp", "proc", "sys", "dev"]) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync("/bin/busybox", join(folder, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(folder, "bin", applet));
  writeFileSync(join(folder, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/srv/web:/bin/sh\n");
  writeFileSync(join(folder, "etc/group"), "root:x:0:\nweb:x:1001:\nstaff:x:50:web\nextra:x:60:\n");
  return folder;
}
