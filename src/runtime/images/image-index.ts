import { readFile } from "node:fs/promises";
import { writeFileDurably } from "../../base/durable-file.js";
import { ClusterError, systemCodeOf } from "../../base/errors.js";
import type { Descriptor } from "./manifest.js";

/** What is known of an image beside its configuration. */
export interface IndexedImage {
  /** When it came to this host. */
  readonly createdAtMs: number;
  /** Absent for images that were imported before their archives were kept: those run, and cannot be saved or pushed. */
  readonly manifest?: Descriptor;
}

/** Which images there are and what they are called: one small file, replaced as a whole. */
export interface ImageIndex {
  readonly version: 1;
  /** By image id. */
  readonly images: Readonly<Record<string, IndexedImage>>;
  /** Image ids by canonical reference. */
  readonly references: Readonly<Record<string, string>>;
  /** Bytes in the files of each layer, by diff id. */
  readonly layerSizes: Readonly<Record<string, number>>;
}

const EMPTY_INDEX: ImageIndex = { version: 1, images: {}, references: {}, layerSizes: {} };

/** Throws ClusterError `internal` naming the file when it cannot be read. */
export async function loadImageIndex(path: string): Promise<ImageIndex> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return EMPTY_INDEX;
    throw cause;
  }
  try {
    const index = JSON.parse(text) as ImageIndex;
    if (index.version !== 1) throw new ClusterError("internal", `version ${String(index.version)} is not known`);
    return index;
  } catch (cause) {
    throw new ClusterError("internal", `the list of images ${path} is damaged`, { cause });
  }
}

/** Whole or not at all, and durable. */
export async function saveImageIndex(path: string, index: ImageIndex): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify(index)}\n`);
}
