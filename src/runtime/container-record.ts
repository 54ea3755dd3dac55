import { readFile, rename, writeFile } from "node:fs/promises";
import { ClusterError, messageOf } from "../base/errors.js";
import type { ContainerConfig } from "./container-runtime.js";
import type { ProcessConfig } from "./process-config.js";

/** What is kept of a container from its making on. How it runs and ended is not here: the shim knows, and its exit record after it. */
export interface ContainerRecord {
  readonly version: 1;
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly process: ProcessConfig;
  readonly createdAtMs: number;
}

/** Whole or not at all. Not synced: a container that a power cut takes away is made anew by who wanted it. */
export async function writeRecord(path: string, record: ContainerRecord): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Throws `internal` when it is damaged or of another version. */
export async function readRecord(path: string): Promise<ContainerRecord> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof value === "object" && value !== null && "version" in value && value.version === 1) return value as ContainerRecord;
  } catch (cause) {
    throw new ClusterError("internal", `container record ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  throw new ClusterError("internal", `container record ${path} is of another version`);
}
