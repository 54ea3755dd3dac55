import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkedText, withCheck } from "../base/checked-text.js";
import { syncFolder, writeFileDurably } from "../base/durable-file.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { Volume } from "./volume-store.js";

interface StoredVolume extends Omit<Volume, "name" | "folder"> {
  readonly version: 1;
}

/** Where everything of one volume is. */
export interface VolumePaths {
  readonly folder: string;
  readonly record: string;
  readonly content: string;
  /** There while the image's content is being copied. */
  readonly filling: string;
}

/** Where everything of one volume is: all below its folder. */
export function volumePaths(root: string, name: string): VolumePaths {
  const folder = join(root, name);
  return { folder, record: join(folder, "record.json"), content: join(folder, "_data"), filling: join(folder, "filling") };
}

/** Its folder without content, and then the record: what has none is swept. Whole and durable, or not at all. */
export async function writeVolume(root: string, volume: Volume): Promise<void> {
  const paths = volumePaths(root, volume.name);
  await mkdir(paths.folder, { mode: 0o711 });
  await mkdir(paths.content);
  // Whatever the daemon's mask is.
  await chmod(paths.content, 0o755);
  const { labels, options, createdAtMs, isAnonymous } = volume;
  const stored: StoredVolume = { version: 1, labels, options, createdAtMs, isAnonymous };
  await writeFileDurably(paths.record, withCheck(`${JSON.stringify(stored)}\n`));
  await syncFolder(root);
}

/** Null for a folder without a record: a making or a removal was cut short. Throws `internal` for a damaged one. */
export async function readVolume(root: string, name: string): Promise<Volume | null> {
  const paths = volumePaths(root, name);
  try {
    const value = JSON.parse(checkedText(await readFile(paths.record, "utf8"))) as Partial<StoredVolume> | null;
    if (value?.version === 1) {
      const { labels = {}, options = {}, createdAtMs = 0, isAnonymous = false } = value;
      return { name, labels, options, createdAtMs, isAnonymous, folder: paths.content };
    }
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw new ClusterError("internal", `the record of volume ${name}, ${paths.record}, cannot be read: ${messageOf(cause)}`, { cause });
  }
  throw new ClusterError("internal", `the record of volume ${name}, ${paths.record}, is of another version`);
}
