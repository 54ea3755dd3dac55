import { createPrivateKey } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "../base/durable-file.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { pemBlocks } from "./pem.js";
import { readCertificate } from "./x509.js";

/** What a node proves itself with; all PEM. */
export interface NodeCredentials {
  readonly rootCertificate: string;
  readonly certificate: string;
  readonly key: string;
}

const ROOT = "swarm-root-ca.crt";
const CERTIFICATE = "swarm-node.crt";
const KEY = "swarm-node.key";

/**
 * Null when the node has no identity yet. Throws ClusterError `failed_precondition` that names the folder when what is there
 * does not belong together.
 */
export async function loadCredentials(folder: string): Promise<NodeCredentials | null> {
  const [rootCertificate, certificate, keys] = await Promise.all([ROOT, CERTIFICATE, KEY].map((file) => readIfThere(join(folder, file))));
  if (rootCertificate === undefined || certificate === undefined || keys === undefined) return null;
  const publicCertificate = readCertificate(certificate);
  const key = pemBlocks("PRIVATE KEY", keys).find((candidate) => publicCertificate.checkPrivateKey(createPrivateKey(candidate)));
  if (key === undefined) throw new ClusterError("failed_precondition", `no key in ${join(folder, KEY)} belongs to the certificate beside it`);
  return { rootCertificate, certificate, key };
}

/**
 * Each file is written aside, fsynced and renamed. The old key stays beside the new one until the new certificate is in
 * place, so that whenever the machine stops, the folder holds a certificate with its key.
 */
export async function saveCredentials(folder: string, credentials: NodeCredentials): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const oldKeys = (await readIfThere(join(folder, KEY))) ?? "";
  await writeFileDurably(join(folder, KEY), credentials.key + oldKeys, 0o600);
  await writeFileDurably(join(folder, ROOT), credentials.rootCertificate, 0o644);
  await writeFileDurably(join(folder, CERTIFICATE), credentials.certificate, 0o644);
  await writeFileDurably(join(folder, KEY), credentials.key, 0o600);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}
