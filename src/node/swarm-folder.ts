import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeFileDurably, syncFolder } from "../base/durable-file.js";
import { systemCodeOf } from "../base/errors.js";

/** Is there while a node is being made: what a crash leaves then is told from what damage leaves. */
const BEGINNING = "beginning";

/** Makes the folder of a node that begins, in the place of what was there. */
export async function beginSwarmFolder(folder: string): Promise<void> {
  await removeSwarmFolder(folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, BEGINNING), "");
}

/** Removes what a crash left of a folder that was being removed; with `isWhole`, when all that the node needs is on the disk, also the mark of its beginning. */
export async function sweepSwarmFolder(folder: string, { isWhole }: { readonly isWhole: boolean }): Promise<void> {
  await rm(asideOf(folder), { recursive: true, force: true });
  if (isWhole) await removeFileDurably(join(folder, BEGINNING));
}

/** As a whole: a crash leaves all of it, or something beside it that nobody looks at. */
export async function removeSwarmFolder(folder: string): Promise<void> {
  const aside = asideOf(folder);
  await rm(aside, { recursive: true, force: true });
  try {
    await rename(folder, aside);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return;
    throw cause;
  }
  await syncFolder(dirname(folder));
  await rm(aside, { recursive: true, force: true });
}

const asideOf = (folder: string) => `${folder}.removed`;

/** True for what a node leaves that was whole once. False for a folder that is not there, and for what a crash left of a node that was being made. */
export async function hadNode(folder: string): Promise<boolean> {
  try {
    const names = await readdir(folder);
    return names.length > 0 && !names.includes(BEGINNING);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return false;
    throw cause;
  }
}
