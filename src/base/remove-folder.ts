import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "./errors.js";

/** Of a path below the folder: half of what the kernel takes (PATH_MAX). */
const DEPTH_BYTES = 2048;

/**
 * Removes a folder with all that is in it, if it is there. Programs make folders deeper than a path can say, step by step: what is that deep is moved up
 * first, so the folder must have no part that somebody else still uses.
 */
export async function removeFolder(folder: string): Promise<void> {
  for (let moved = 0; ; moved++) {
    try {
      return await rm(folder, { recursive: true, force: true });
    } catch (cause) {
      const { path = "" } = cause as NodeJS.ErrnoException;
      const deep = path.slice(0, path.lastIndexOf("/", folder.length + DEPTH_BYTES));
      if (systemCodeOf(cause) !== "ENAMETOOLONG" || deep.length <= folder.length) throw cause;
      await rename(deep, join(folder, `.deep-${process.pid}-${moved}`));
    }
  }
}
