import { ClusterError } from "../base/errors.js";
import { requireP256, readPrivateKey } from "./keys.js";
import { BACKDATE_MS, type RootCa } from "./root-ca.js";
import { hasKeyId, isAuthority, issuedBy, mayCertify, readCertificate, readIssuer, signCertificate } from "./x509.js";

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

/** Throws ClusterError `failed_precondition` unless a certificate (PEM) that another authority made is what `crossSign` would make of these two roots. */
export function checkCrossSigned(crossSigned: string, roots: { readonly newRoot: string; readonly oldRoot: string }): void {
  const certificate = readCertificate(crossSigned);
  const [next, old] = [readCertificate(roots.newRoot), readCertificate(roots.oldRoot)];
  const isOfNew = certificate.subject === next.subject && certificate.publicKey.equals(next.publicKey);
  const isByOld = certificate.ca && certificate.checkIssued(old) && certificate.verify(old.publicKey);
  if (!isOfNew || !isByOld)
    throw new ClusterError("failed_precondition", "the certificate that was returned does not cross-sign the new root by the current one");
}
