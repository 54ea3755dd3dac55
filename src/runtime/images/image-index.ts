import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { checkedText, withCheck } from "../../base/checked-text.js";
import { writeFileDurably } from "../../base/durable-file.js";
import { ClusterError, messageOf, systemCodeOf } from "../../base/errors.js";
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

/**
 * Made when there is none and nothing is kept yet. Throws ClusterError `internal` naming the file when it cannot be read, or is gone while `hasContent`: with an empty list all of that
 * would be swept, and containers run on it.
 */
export async function loadImageIndex(path: string, hasContent: () => Promise<boolean>): Promise<ImageIndex> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) !== "ENOENT") throw cause;
    if (await hasContent()) throw unusable(path, "is gone", cause);
    await saveImageIndex(path, EMPTY_INDEX);
    return EMPTY_INDEX;
  }
  try {
    const index = JSON.parse(checkedText(text)) as ImageIndex;
    if (index.version !== 1) throw new ClusterError("internal", `version ${String(index.version)} is not known`);
    return { version: 1, images: { ...index.images }, references: { ...index.references }, layerSizes: { ...index.layerSizes } };
  } catch (cause) {
    throw unusable(path, `is damaged: ${messageOf(cause)}`, cause);
  }
}

/** Whole or not at all, and durable. */
export async function saveImageIndex(path: string, index: ImageIndex): Promise<void> {
  await writeFileDurably(path, withCheck(`${JSON.stringify(index)}\n`));
}

function unusable(path: string, what: string, cause: unknown): ClusterError {
  return new ClusterError("internal", `the list of images ${path} ${what}; put the right one back, or remove ${dirname(path)} with all images`, { cause });
}
