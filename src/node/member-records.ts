import { join } from "node:path";
import { ensureDataKey, loadDataKey } from "../pki/data-key.js";
import { SealedRecords } from "../replica/sealed-records.js";
import type { LiveIdentity } from "../rpc/live-identity.js";

/** Within a node's folder: its certificates and keys. */
export const CERTIFICATES_FOLDER = "certificates";

/**
 * What seals this node's raft log. `isBeginning`: a key is made when there is none; otherwise throws ClusterError `failed_precondition` that names
 * the file. `folder` is the node's.
 */
export async function recordsOfMember(folder: string, identity: LiveIdentity, { isBeginning }: { readonly isBeginning: boolean }): Promise<SealedRecords> {
  const certificates = join(folder, CERTIFICATES_FOLDER);
  const key = await (isBeginning ? ensureDataKey(certificates) : loadDataKey(certificates));
  return new SealedRecords({ key, clusterId: identity.identity.clusterId, nodeId: identity.nodeId });
}
