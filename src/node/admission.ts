import { ClusterError } from "../base/errors.js";
import type { NodeRole } from "../model/objects.js";
import type { CertificateIdentity } from "../pki/identity.js";
import type { StoreView } from "../store/view.js";

/**
 * The role that a node has by now, whatever its certificate was issued for: a removed node and a demoted manager lose their rights with the write that
 * says so, not when their certificate expires. A manager is one only when both its certificate and the store say so.
 *
 * `isCurrent` says that this copy of the store holds everything that was committed (the leader's does). Another copy may lag behind a node that has
 * just joined or was promoted, which raft must be able to hear nevertheless: it may be the only candidate. There an unknown node, and a
 * certificate that is newer than the one the copy knows of, are taken at their word, unless the node's removal is on record.
 *
 * Throws ClusterError `permission_denied` for a node that is not part of the cluster any more.
 */
export function currentRole(view: StoreView, certificate: CertificateIdentity, isCurrent: boolean): NodeRole {
  const { nodeId, role, notBeforeMs } = certificate;
  if (view.cluster !== undefined && Object.hasOwn(view.cluster.removedNodes, nodeId)) throw removed(nodeId);
  const node = view.nodes.get(nodeId);
  if (node === undefined) {
    if (isCurrent) throw removed(nodeId);
    return role;
  }
  if (!isCurrent && notBeforeMs > (node.certificateNotBeforeMs ?? 0)) return role;
  return node.role === "manager" ? role : "worker";
}

function removed(nodeId: string): ClusterError {
  return new ClusterError("permission_denied", `node ${nodeId} was removed from the cluster: leave by force, and join again with a token`);
}
