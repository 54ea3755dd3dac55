import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeFileDurably, syncFolder } from "../base/durable-file.js";
import { systemCodeOf } from "../base/errors.js";

/** Is there while a node is being made: what a crash leaves then is told from what damage leaves. */
const BEGINNING = "beginning";
/** Ends the names of folders that are gone, and have not been removed yet. */
const ASIDE = ".removed";

/** Makes the folder of a node that begins, in the place of what was there. */
export async function beginSwarmFolder(folder: string): Promise<void> {
  await removeSwarmFolder(folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, BEGINNING), "");
}

/**
 * Removes what a crash left of a folder that was being removed; with `isWhole`, when all that the node needs is on the disk, also the mark of its beginning. Logs of raft members that were
 * set aside go too, but for that in the folder `member`: there the node has to see that its place is gone. Logs that were not are not touched, whoever's they are.
 */
export async function sweepSwarmFolder(folder: string, { isWhole, member = "" }: { readonly isWhole: boolean; readonly member?: string }): Promise<void> {
  await removeAside(folder);
  if (isWhole) await removeFileDurably(join(folder, BEGINNING));
  const names = await readdir(folder).catch(nothingThere);
  for (const name of names) if (name.startsWith("raft") && name.endsWith(ASIDE) && name !== asideOf(member)) await rm(join(folder, name), { recursive: true });
}

function nothingThere(cause: unknown): readonly string[] {
  if (systemCodeOf(cause) === "ENOENT") return [];
  throw cause;
}

/** As a whole: a crash leaves all of it, or something beside it that nobody looks at. */
export async function removeSwarmFolder(folder: string): Promise<void> {
  await setAside(folder);
  await removeAside(folder);
}

/** The folder is gone as a whole when this resolves; what was in it, `removeAside` removes. One that is not there is left so. */
export async function setAside(folder: string): Promise<void> {
  if (!(await isThere(folder))) return;
  await removeAside(folder);
  await rename(folder, asideOf(folder));
  await syncFolder(dirname(folder));
}

export async function removeAside(folder: string): Promise<void> {
  await rm(asideOf(folder), { recursive: true, force: true });
}

/** True for a folder that was set aside, and is not removed yet nor made again. */
export async function isSetAside(folder: string): Promise<boolean> {
  return !(await isThere(folder)) && (await isThere(asideOf(folder)));
}

const asideOf = (folder: string) => `${folder}${ASIDE}`;

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return false;
    throw cause;
  }
}

/** True for what a node leaves that was whole once. False for a folder that is not there, and for what a crash left of a node that was being made. */
export async function hadNode(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(nothingThere);
  return names.length > 0 && !names.includes(BEGINNING);
}
