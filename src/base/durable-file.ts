import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCodeOf } from "./errors.js";

/**
 * Replaces a file as a whole: written aside, fsynced, renamed, and the folder fsynced. After a crash at any moment the file holds
 * either its old content or the new one. `mode` is 0600 unless given.
 */
export async function writeFileDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const aside = `${path}.new`;
  const file = await open(aside, "w", mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (cause) {
    throw named(cause, aside);
  } finally {
    await file.close();
  }
  await rename(aside, path);
  await syncFolder(dirname(path));
}

/** The text of a file; undefined when there is none. Every other failure to read it is thrown. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** Removes a file for good: after a crash it does not come back. A file that is not there is removed already. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Makes names that were added to or removed from a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } catch (cause) {
    throw named(cause, path);
  } finally {
    await folder.close();
  }
}

/** Node.js says which file an error is about when it opens one, and not when it writes. */
function named(cause: unknown, path: string): unknown {
  if (cause instanceof Error) cause.message += ` '${path}'`;
  return cause;
}
