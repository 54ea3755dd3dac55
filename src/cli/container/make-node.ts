import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Header } from "tar-stream";

/** Letters of mknod(1). */
const KINDS: Readonly<Record<string, string>> = { "character-device": "c", "block-device": "b", fifo: "p" };

/**
 * Makes the device or pipe that an entry of an archive is, and returns whether it is one; nothing may have its name. By mknod(1), for Node.js has no such call; only root
 * may make devices. Throws with what that program said.
 */
export async function makeNode(path: string, { type, devmajor = 0, devminor = 0 }: Header): Promise<boolean> {
  const kind = KINDS[type ?? "file"];
  if (kind === undefined) return false;
  const numbers = kind === "p" ? [] : [String(devmajor), String(devminor)];
  await promisify(execFile)("mknod", ["--mode=600", "--", path, kind, ...numbers]);
  return true;
}
