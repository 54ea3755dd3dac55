import type { NodeRole } from "../model/objects.js";
import { assert } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";
import { publicKeyOfCsr } from "./csr.js";
import { isIssuedBy, ROLE_UNITS } from "./identity.js";
import { readPrivateKey } from "./keys.js";
import { BACKDATE_MS, type RootCa } from "./root-ca.js";
import { alternativeNames, forTls, isNotAuthority, issuedBy, keyIdOf, maySign, name, readCertificate, readIssuer, signCertificate } from "./x509.js";

const HOUR_MS = 3_600_000;
/** 90 days: what a cluster uses unless its spec says otherwise. */
export const NODE_VALIDITY_MS = 90 * 24 * HOUR_MS;
const NODE_VALIDITY_MIN_MS = HOUR_MS;

export interface NodeCertificateRequest {
  readonly rootCa: RootCa;
  /** Another certificate (PEM) of the same authority, by which nodes may know it; "" for none. */
  readonly crossSigned?: string;
  /** PEM of a PKCS#10 request; only its public key is used, proven by its signature. */
  readonly csr: string;
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  /** At least an hour; shortened so as not to outlive the root. */
  readonly validityMs: number;
  readonly nowMs: number;
}

/**
 * A node's certificate (PEM): CN node id, OU role, O cluster id; alternative names role and node id, and swarm-ca for
 * managers; for TLS clients and servers (architecture, section 4). Throws ClusterError `invalid_argument` for a bad request.
 */
export function issueNodeCertificate(request: NodeCertificateRequest): string {
  if (request.validityMs < NODE_VALIDITY_MIN_MS)
    throw new ClusterError("invalid_argument", `certificate validity of ${request.validityMs} ms is below an hour`);
  const publicKey = publicKeyOfCsr(request.csr);
  const root = readCertificate(request.rootCa.certificate);
  const issuer = readIssuer(root);
  const keyId = keyIdIn(issuer, request.crossSigned ?? "");
  const unit = ROLE_UNITS[request.role];
  const certificate = signCertificate(
    {
      issuer: issuer.subject,
      subject: name([
        { attribute: "organization", value: request.clusterId },
        { attribute: "organizationalUnit", value: unit },
        { attribute: "commonName", value: request.nodeId },
      ]),
      publicKey,
      notBeforeMs: request.nowMs - BACKDATE_MS,
      notAfterMs: Math.min(request.nowMs + request.validityMs, Date.parse(root.validTo)),
      extensions: [
        isNotAuthority(),
        maySign(),
        forTls(),
        alternativeNames([unit, request.nodeId, ...(request.role === "manager" ? ["swarm-ca"] : [])]),
        keyIdOf(publicKey),
        ...(keyId === null ? [] : [issuedBy(keyId)]),
      ],
    },
    readPrivateKey(request.rootCa.key),
  );
  assert(isIssuedBy(readCertificate(certificate), root), "a certificate that was just issued verifies against its root");
  return certificate;
}

/**
 * The key identifier of the issuer; null when its other certificate has another one. OpenSSL takes no certificate for the issuer whose identifier is not the one that is
 * named, and an authority that vouches for the new root derives it from the key in its own way: CFSSL by SHA-1.
 */
function keyIdIn(issuer: { readonly keyId: Buffer | null }, crossSigned: string): Buffer | null {
  if (issuer.keyId === null || crossSigned === "") return issuer.keyId;
  return readIssuer(readCertificate(crossSigned)).keyId?.equals(issuer.keyId) === true ? issuer.keyId : null;
}
