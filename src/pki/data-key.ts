import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeFileDurably, writeFileDurably } from "../base/durable-file.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { decodePem, encodePem } from "./pem.js";

const FILE = "swarm-data.key";
const LABEL = "SWARM DATA KEY";
const KEY_BYTES = 32;

/**
 * The key that a manager's log, tail file and snapshots are sealed with: 256 bits of its own, beside its node key. Throws ClusterError
 * `failed_precondition` naming the file when it is not there or is damaged.
 */
export async function loadDataKey(folder: string): Promise<Uint8Array> {
  const key = await readKey(folder);
  if (key !== null) return key;
  throw new ClusterError(
    "failed_precondition",
    `the data key ${join(folder, FILE)} is gone; without it this manager's raft log cannot be read: put the file back`,
  );
}

/** The key that is there, or a new one that is durable when this resolves. */
export async function ensureDataKey(folder: string): Promise<Uint8Array> {
  const present = await readKey(folder);
  if (present !== null) return present;
  const key = randomBytes(KEY_BYTES);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileDurably(join(folder, FILE), encodePem(LABEL, key), 0o600);
  return key;
}

/** What was sealed with the key can then be read by nobody. */
export async function removeDataKey(folder: string): Promise<void> {
  await removeFileDurably(join(folder, FILE));
}

async function readKey(folder: string): Promise<Uint8Array | null> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw cause;
  }
  const key = keyIn(text);
  if (key === null) throw new ClusterError("failed_precondition", `the data key ${path} is damaged: it is not a block "${LABEL}" of ${KEY_BYTES} bytes`);
  return key;
}

function keyIn(text: string): Uint8Array | null {
  try {
    const key = decodePem(LABEL, text);
    return key.length === KEY_BYTES ? key : null;
  } catch {
    return null; // The caller says which file it is, and nothing of its content.
  }
}
