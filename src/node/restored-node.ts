import { ClusterError } from "../base/errors.js";
import { newId } from "../base/ids.js";
import { DEFAULT_CLUSTER_SPEC, msOf } from "../model/defaults.js";
import type { Node, StoreObject } from "../model/objects.js";
import { type Authority, authorityOf, issueBy, trustBundle } from "../pki/authority.js";
import { createCsr } from "../pki/csr.js";
import { readCaKey } from "../pki/given-root.js";
import { identityOf } from "../pki/identity.js";
import type { NodeCredentials } from "../pki/identity-files.js";
import { createNodeKey } from "../pki/keys.js";
import { readCertificate } from "../pki/x509.js";
import type { GroupOrigin } from "../replica/replica.js";

/**
 * What the host that a cluster is restored on becomes: a node of its own, a manager, certified by the authority in the backup. The nodes of the backup stay as they
 * are: those that can reach this host come back by themselves, the others go down. `signingKey` (PEM) is for a backup without the key of its root: it certifies this host
 * and is not kept. Throws ClusterError `invalid_argument` when there is no cluster in it or the key is not that of the root, `failed_precondition` without the key.
 */
export function restoredNode(
  origin: GroupOrigin,
  host: { readonly nodeAddress: string; readonly signingKey: string; readonly nowMs: number },
): { readonly nodeId: string; readonly credentials: NodeCredentials; readonly objects: readonly StoreObject[] } {
  const objects = [...origin.objects];
  const cluster = objects.flatMap((object) => (object.type === "cluster" ? [object.cluster] : []))[0];
  if (cluster === undefined || cluster.rootCa === null) throw new ClusterError("invalid_argument", "the backup holds no cluster");
  const authority = certifying(authorityOf(cluster.rootCa), host.signingKey);
  const [nodeId, key] = [newId(), createNodeKey()];
  const certificate = issueBy(authority, {
    csr: createCsr(key),
    nodeId,
    role: "manager",
    clusterId: cluster.id,
    validityMs: msOf(cluster.spec?.nodeCertExpiryNs ?? DEFAULT_CLUSTER_SPEC.nodeCertExpiryNs),
    nowMs: host.nowMs,
  });
  const { publicKeyDigest, expiresAtMs, notBeforeMs } = identityOf(certificate);
  const node: Node = {
    id: nodeId,
    meta: { version: origin.index, revision: origin.index, createdAtMs: host.nowMs, updatedAtMs: host.nowMs },
    spec: { name: "", labels: {}, role: "manager", availability: "active" },
    description: null,
    status: { state: "unknown", message: "", address: host.nodeAddress },
    role: "manager",
    publicKeyDigest,
    certificateExpiresAtMs: expiresAtMs,
    certificateNotBeforeMs: notBeforeMs,
  };
  return { nodeId, credentials: { rootCertificate: trustBundle(cluster.rootCa), certificate, key }, objects: [...objects, { type: "node", node }] };
}

function certifying(authority: Authority, signingKey: string): Authority {
  if (signingKey === "" && authority.key === "") {
    const what = "the backup is of a cluster whose root key only an external CA has: it cannot certify this host without that key (--ca-key)";
    throw new ClusterError("failed_precondition", what);
  }
  if (signingKey === "") return authority;
  if (authority.key !== "") throw new ClusterError("invalid_argument", "the backup holds the key of its root certificate: it needs no other");
  return {
    ...authority,
    key: readCaKey(signingKey, readCertificate(authority.certificate), { key: "given CA key", certificate: "root certificate in the backup" }),
  };
}
