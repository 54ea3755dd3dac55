import { join } from "node:path";
import { ClusterError } from "../base/errors.js";
import type { IdentityFiles } from "../pki/identity-files.js";
import { identityOf } from "../pki/identity.js";
import { SealedRecords } from "../replica/sealed-records.js";

const CERTIFICATES_FOLDER = "certificates";

/** Within a node's folder: its certificates and keys. */
export function certificatesIn(folder: string): string {
  return join(folder, CERTIFICATES_FOLDER);
}

/**
 * What seals this node's raft log. `isBeginning`: a key is made when there is none; otherwise throws ClusterError `failed_precondition` when it is gone:
 * without it the log cannot be read.
 */
export async function recordsOfMember(files: IdentityFiles, { isBeginning }: { readonly isBeginning: boolean }): Promise<SealedRecords> {
  const keys = isBeginning ? await files.ensureDataKeys() : files.keys.dataKeys;
  if (keys.length === 0) {
    throw new ClusterError(
      "failed_precondition",
      `${files.path} holds no data key; without it this manager's raft log cannot be read: put the right file back`,
    );
  }
  const { clusterId, nodeId } = identityOf(files.credentials.certificate);
  return new SealedRecords({ keys: keys.map(({ key }) => key), clusterId, nodeId });
}
