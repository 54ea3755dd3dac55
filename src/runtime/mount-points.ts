import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ETC_FILES } from "./etc-files.js";

const FOLDERS = ["etc", "proc", "sys", "dev"];

/**
 * Makes the layer that lies above every image and below every writable layer, as Docker's init layer does: the places that each container mounts something on.
 * So they need not be made in each writable layer, and an image that has a symbolic link there has none in a container.
 */
export async function makeMountPoints(folder: string): Promise<void> {
  for (const name of ["", ...FOLDERS]) {
    await mkdir(join(folder, name), { recursive: true });
    // Whatever the daemon's mask is.
    await chmod(join(folder, name), 0o755);
  }
  for (const name of ETC_FILES) {
    await writeFile(join(folder, "etc", name), "");
    await chmod(join(folder, "etc", name), 0o644);
  }
}
