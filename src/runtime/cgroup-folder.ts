import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";

/** More than this often, something forks faster than it is moved. */
const MOVE_ROUNDS = 100;

/** True when it is gone; false when something is still inside. */
export async function removeFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT") return true;
    if (code === "EBUSY" || code === "ENOTEMPTY") return false;
    throw new ClusterError("internal", `cgroup ${path} cannot be removed: ${messageOf(cause)}`, { cause });
  }
}

async function membersOf(path: string): Promise<readonly number[]> {
  try {
    return (await readFile(`${path}/cgroup.procs`, "utf8"))
      .split("\n")
      .map(Number)
      .filter((process) => process > 0);
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ENODEV") return [];
    throw cause;
  }
}

/** Moves processes that are in one hierarchy's group to another's, those included that are born meanwhile. */
export async function moveMembers(from: string, to: string): Promise<void> {
  for (let round = 0; round < MOVE_ROUNDS; round++) {
    const there = new Set(await membersOf(to));
    const missing = (await membersOf(from)).filter((process) => !there.has(process));
    if (missing.length === 0) return;
    for (const process of missing) await moveProcess(process, to);
  }
  throw new ClusterError("internal", `the processes of ${from} cannot be moved to ${to}: they fork faster than that`);
}

async function moveProcess(process: number, to: string): Promise<void> {
  try {
    await writeFile(`${to}/cgroup.procs`, String(process));
  } catch (cause) {
    // It has ended.
    if (systemCodeOf(cause) !== "ESRCH")
      throw new ClusterError("failed_precondition", `process ${process} cannot be moved to ${to}: ${messageOf(cause)}`, { cause });
  }
}

export async function foldersOf(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}
