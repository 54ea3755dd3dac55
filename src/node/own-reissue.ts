import { DEFAULT_CLUSTER_SPEC, msOf } from "../model/defaults.js";
import { authorityOf, issueBy, trustBundle } from "../pki/authority.js";
import { createCsr } from "../pki/csr.js";
import { identityOf } from "../pki/identity.js";
import type { NodeCredentials } from "../pki/identity-files.js";
import type { StoreView } from "../store/view.js";

/**
 * A new certificate for a manager whose own is outside its validity, from the authority's key in its own copy of the store: when all managers were off too
 * long, nobody else could give it one. For the same key, which is the last one that the cluster certified for the node. Null when this copy does not list
 * the node as a manager, or has no key.
 */
export function reissueOwn(view: StoreView, credentials: NodeCredentials, nowMs: number): NodeCredentials | null {
  const { nodeId, clusterId } = identityOf(credentials.certificate);
  const { cluster } = view;
  if (cluster === undefined || cluster.rootCa === null || cluster.id !== clusterId) return null;
  const authority = authorityOf(cluster.rootCa);
  if (authority.key === "") return null;
  if (view.nodes.get(nodeId)?.role !== "manager") return null;
  const certificate = issueBy(authority, {
    csr: createCsr(credentials.key),
    nodeId,
    role: "manager",
    clusterId,
    validityMs: msOf(cluster.spec?.nodeCertExpiryNs ?? DEFAULT_CLUSTER_SPEC.nodeCertExpiryNs),
    nowMs,
  });
  return { ...credentials, rootCertificate: trustBundle(cluster.rootCa), certificate };
}
