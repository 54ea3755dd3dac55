import type { InitOptions } from "../api/http/backend.js";
import { newId } from "../base/ids.js";
import type { Meta } from "../model/objects.js";
import { createCsr } from "../pki/csr.js";
import type { NodeCredentials } from "../pki/identity-files.js";
import { readGivenRoot } from "../pki/given-root.js";
import { identityOf } from "../pki/identity.js";
import { withNewTokens } from "../pki/root-rotation.js";
import { createNodeKey } from "../pki/keys.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../pki/node-certificate.js";
import { createRootCa, type RootCa } from "../pki/root-ca.js";
import { createUnlockKey } from "../pki/unlock-key.js";
import type { StoreTransaction } from "../store/view.js";

export interface FirstCredentials {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly rootCa: RootCa;
  readonly credentials: NodeCredentials;
}

/** A new cluster's certificate authority, the operator's own when one is given, and the certificate of its first manager. Throws like readGivenRoot. */
export function firstCredentials(nowMs: number, signingCa: InitOptions["signingCa"]): FirstCredentials {
  const rootCa = signingCa === undefined ? createRootCa({ nowMs }) : readGivenRoot({ ...signingCa, nowMs });
  const [clusterId, nodeId, key] = [newId(), newId(), createNodeKey()];
  const certificate = issueNodeCertificate({ rootCa, csr: createCsr(key), nodeId, role: "manager", clusterId, validityMs: NODE_VALIDITY_MS, nowMs });
  return { clusterId, nodeId, rootCa, credentials: { rootCertificate: rootCa.certificate, certificate, key } };
}

/** The store sets it when it applies the change. */
const META: Meta = { version: 0, revision: 0, createdAtMs: 0, updatedAtMs: 0 };

/** What the store of a new cluster begins with: the cluster, and the node that founded it. */
export function firstObjects(
  tx: StoreTransaction,
  first: FirstCredentials & { readonly incarnation: string; readonly init: InitOptions; readonly nodeAddress: string },
): undefined {
  const { rootCa, init } = first;
  const identity = identityOf(first.credentials.certificate);
  tx.create(
    "cluster",
    {
      id: first.clusterId,
      meta: META,
      spec: init.spec,
      rootCa: withNewTokens({ ...rootCa, joinTokens: null, rotation: null, lastForcedRotation: init.spec.forceRotate }),
      defaultAddressPool: init.defaultAddressPool.length > 0 ? init.defaultAddressPool : ["10.0.0.0/8"],
      subnetSize: init.subnetSize === 0 ? 24 : init.subnetSize,
      dataPathPort: init.dataPathPort === 0 ? 4789 : init.dataPathPort,
      incarnation: first.incarnation,
      removedNodes: {},
      formerIncarnations: [],
      // The first data key lay on the disk before it could be locked.
      ...(init.spec.autoLockManagers ? { unlockKey: createUnlockKey(), dataKeyEpoch: 1 } : {}),
    },
    { isClientWrite: true },
  );
  tx.create(
    "node",
    {
      id: first.nodeId,
      meta: META,
      spec: { name: "", labels: {}, role: "manager", availability: init.availability },
      description: null,
      status: { state: "unknown", message: "", address: first.nodeAddress },
      role: "manager",
      publicKeyDigest: identity.publicKeyDigest,
      certificateExpiresAtMs: identity.expiresAtMs,
      certificateNotBeforeMs: identity.notBeforeMs,
    },
    { isClientWrite: true },
  );
}
