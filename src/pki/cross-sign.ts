import type { X509Certificate } from "node:crypto";
import { isValidAt } from "./identity.js";
import { requireP256, readPrivateKey } from "./keys.js";
import { BACKDATE_MS, type RootCa } from "./root-ca.js";
import { hasKeyId, isAuthority, issuedBy, mayCertify, mayIssueForTls, namesIssuerKey, readCertificate, readIssuer, signCertificate } from "./x509.js";

/**
 * The new root's key and name (of its certificate, PEM), certified by the old root: whoever trusts only the old one believes what the new one issued when it is shown
 * this too (swarmkit: ca/certificates.go, CrossSignCACertificate). PEM. Throws ClusterError `invalid_argument` for a key that is not ECDSA P-256.
 */
export function crossSign(newRoot: string, options: { readonly by: RootCa; readonly nowMs: number }): string {
  const next = readCertificate(newRoot);
  const old = readCertificate(options.by.certificate);
  const [subject, issuer] = [readIssuer(next), readIssuer(old)];
  return signCertificate(
    {
      issuer: issuer.subject,
      subject: subject.subject,
      publicKey: requireP256(next.publicKey),
      notBeforeMs: options.nowMs - BACKDATE_MS,
      notAfterMs: Math.min(Date.parse(next.validTo), Date.parse(old.validTo)),
      extensions: [
        isAuthority(0),
        mayCertify(),
        ...(subject.keyId === null ? [] : [hasKeyId(subject.keyId)]),
        ...(issuer.keyId === null ? [] : [issuedBy(issuer.keyId)]),
      ],
    },
    readPrivateKey(options.by.key),
  );
}

/**
 * What is wrong with a certificate (PEM) that another authority made to vouch for the new root; "" when nothing is. Nodes that know only the old root would be cut off
 * for any of it, the managers among them. Throws ClusterError `invalid_argument` when it is no certificate.
 */
export function flawOfCrossSigned(
  crossSigned: string,
  { newRoot, oldRoot, nowMs }: { readonly newRoot: string; readonly oldRoot: string; readonly nowMs: number },
): string {
  const certificate = readCertificate(crossSigned);
  const [next, old] = [readCertificate(newRoot), readCertificate(oldRoot)];
  const isOfNew = certificate.subject === next.subject && certificate.publicKey.equals(next.publicKey);
  const isByOld = certificate.ca && certificate.checkIssued(old) && certificate.verify(old.publicKey);
  if (!isOfNew || !isByOld) return "does not cross-sign the new root by the current one";
  const [notBeforeMs, expiresAtMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (!isValidAt({ notBeforeMs, expiresAtMs }, nowMs)) return `is not valid now, but from ${certificate.validFrom} to ${certificate.validTo}`;
  if (!mayIssueForTls(certificate)) return "is confined to purposes or names that the certificates of nodes have not";
  return next.subject === old.subject && !isToldByKeys(certificate, next)
    ? "lacks the key identifiers by which the new root is told from the current one, which has the same name: give the new root a name of its own"
    : "";
}

/** OpenSSL looks for an issuer by name and key identifier, and where there are two of a name and no identifier (node-certificate.ts leaves out what differs) it takes the wrong one. */
function isToldByKeys(certificate: X509Certificate, next: X509Certificate): boolean {
  const [one, other] = [readIssuer(certificate).keyId, readIssuer(next).keyId];
  return one !== null && other !== null && one.equals(other) && namesIssuerKey(certificate);
}
