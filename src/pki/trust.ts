import type { X509Certificate } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { isIssuedBy } from "./identity.js";
import { pemBlocks } from "./pem.js";
import { readCertificate } from "./x509.js";

/** All certificates of a PEM text, in order. Throws ClusterError `invalid_argument` for a block that is none. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return pemBlocks("CERTIFICATE", pem).map(readCertificate);
}

/** A node's certificate and what it brings along so that others can follow it to a root that they trust. */
export interface CertificateChain {
  readonly leaf: X509Certificate;
  readonly intermediates: readonly X509Certificate[];
}

/** Throws ClusterError `invalid_argument` when the text (PEM, leaf first) holds no certificate. */
export function chainIn(pem: string): CertificateChain {
  return { leaf: readCertificate(pem), intermediates: certificatesIn(pem).slice(1) };
}

/**
 * The authority that issued a node's certificate, when it can be believed: one of the roots, or the bearer of an intermediate certificate that one of the roots
 * signed, as while the root is rotated (pki/cross-sign.ts). Null otherwise. Says nothing about dates.
 */
export function trustedIssuer({ leaf, intermediates }: CertificateChain, roots: readonly X509Certificate[]): X509Certificate | null {
  const root = roots.find((candidate) => isIssuedBy(leaf, candidate));
  if (root !== undefined) return root;
  return intermediates.find((candidate) => isIssuedBy(leaf, candidate) && roots.some((trusted) => isVouchedFor(candidate, trusted))) ?? null;
}

/** The issuer of a certificate (PEM, leaf first) that these roots (PEM) vouch for. Throws ClusterError `unauthenticated` when they do not. Says nothing about dates. */
export function requireTrustedIssuer(certificate: string, roots: string): X509Certificate {
  const issuer = trustedIssuer(chainIn(certificate), certificatesIn(roots));
  if (issuer === null) throw new ClusterError("unauthenticated", "certificate was not issued by this cluster's certificate authority");
  return issuer;
}

/** True when the root's key signed the certificate of this other authority. */
function isVouchedFor(authority: X509Certificate, root: X509Certificate): boolean {
  return root.ca && authority.ca && authority.checkIssued(root) && authority.verify(root.publicKey);
}
