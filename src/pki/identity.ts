import type { X509Certificate } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import type { NodeRole } from "../model/objects.js";
import { publicKeyDigest } from "./keys.js";
import { readCertificate } from "./x509.js";

/** Organizational unit, and first alternative name, of a certificate by role. */
export const ROLE_UNITS = { worker: "swarm-worker", manager: "swarm-manager" } as const satisfies Record<NodeRole, string>;

/** Who a certificate says that its owner is. Believe it only after `isIssuedBy` and `isValidAt`. */
export interface CertificateIdentity {
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly publicKeyDigest: string;
}

/** Throws ClusterError `invalid_argument` when it is not a node's certificate. */
export function identityOf(certificate: string | X509Certificate): CertificateIdentity {
  const parsed = typeof certificate === "string" ? readCertificate(certificate) : certificate;
  const subject = parsed.toLegacyObject().subject;
  const role = (Object.keys(ROLE_UNITS) as NodeRole[]).find((key) => ROLE_UNITS[key] === subject.OU);
  // A repeated attribute is an array here, whatever the declaration says: only plain strings count.
  if (role === undefined || typeof subject.CN !== "string" || typeof subject.O !== "string") {
    throw new ClusterError("invalid_argument", `certificate of "${parsed.subject.replaceAll("\n", ", ")}" is not a node's`);
  }
  return {
    nodeId: subject.CN,
    role,
    clusterId: subject.O,
    notBeforeMs: Date.parse(parsed.validFrom),
    expiresAtMs: Date.parse(parsed.validTo),
    publicKeyDigest: publicKeyDigest(parsed.publicKey),
  };
}

/** True when the root's own key signed this certificate. Says nothing about dates. */
export function isIssuedBy(certificate: X509Certificate, root: X509Certificate): boolean {
  return root.ca && !certificate.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey);
}

export const isValidAt = (identity: { readonly notBeforeMs: number; readonly expiresAtMs: number }, nowMs: number): boolean =>
  identity.notBeforeMs <= nowMs && nowMs < identity.expiresAtMs;

/** How a certificate is outside its validity, for who reads why it does not count; "" within it. */
export function flawOfDates(identity: { readonly notBeforeMs: number; readonly expiresAtMs: number }, nowMs: number): string {
  if (nowMs < identity.notBeforeMs) return `is not valid before ${new Date(identity.notBeforeMs).toISOString()}, so that this host's clock may be wrong`;
  return isValidAt(identity, nowMs) ? "" : `expired at ${new Date(identity.expiresAtMs).toISOString()}`;
}
