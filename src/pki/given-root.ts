import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { ClusterError, messageOf } from "../base/errors.js";
import { requireP256 } from "./keys.js";
import { encodePem } from "./pem.js";
import type { RootCa } from "./root-ca.js";
import { certificatesIn } from "./trust.js";
import { mayIssueForTls, mayVouch, readIssuer } from "./x509.js";

/** Swarm asks for as much (swarm-surface 3.11): a root that ends sooner would be the next rotation. */
const YEAR_MS = 365 * 24 * 3_600_000;

/**
 * A root that an operator brings along, in the form in which the cluster keeps it. Without its key it is one that an external authority issues for: the key is "" then.
 * Throws ClusterError `invalid_argument` that says what is wrong with it.
 */
export function readGivenRoot(given: { readonly certificate: string; readonly key: string; readonly nowMs: number }): RootCa {
  const certificate = onlyCertificate(given.certificate);
  const name = `the desired CA certificate "${certificate.subject.replaceAll("\n", ", ")}"`;
  if (!certificate.ca) throw refused(`${name} is not one of a certificate authority`);
  named(`${name} has a`, () => requireP256(certificate.publicKey));
  if (!certificate.checkIssued(certificate) || !certificate.verify(certificate.publicKey)) throw refused(`${name} is not self-signed`);
  if (readIssuer(certificate).keyId === null) throw refused(`${name} has no subject key identifier`);
  // While this root is rotated it vouches for the next one: nodes that know only this one would be cut off.
  if (!mayVouch(certificate)) throw refused(`${name} has a path length of 0, so that it could never be rotated: it must be at least 1, or not limited`);
  if (!mayIssueForTls(certificate)) throw refused(`${name} is confined to purposes or names that the certificates of nodes have not: TLS would not take them`);
  if (Date.parse(certificate.validFrom) > given.nowMs) throw refused(`${name} is not valid before ${certificate.validFrom}`);
  if (Date.parse(certificate.validTo) < given.nowMs + YEAR_MS) throw refused(`${name} expires too soon, on ${certificate.validTo}: a year must be left`);
  return { certificate: encodePem("CERTIFICATE", certificate.raw), key: given.key === "" ? "" : readCaKey(given.key, certificate, DESIRED) };
}

function onlyCertificate(pem: string): X509Certificate {
  const certificates = certificatesIn(pem);
  const [certificate] = certificates;
  if (certificate === undefined) throw refused("the desired CA certificate is not a certificate in PEM form");
  if (certificates.length > 1) throw refused(`the desired CA certificate cannot contain multiple certificates, it has ${certificates.length}`);
  return certificate;
}

const DESIRED = { key: "desired CA key", certificate: "desired CA certificate" };

/** The key (PEM) that an operator gives for a root, in the form in which the cluster keeps keys. Throws ClusterError `invalid_argument`, with nothing of the text. */
export function readCaKey(pem: string, certificate: X509Certificate, names: { readonly key: string; readonly certificate: string }): string {
  const key = privateKeyIn(pem, names.key);
  named(`the ${names.key} is a`, () => requireP256(key));
  if (!certificate.checkPrivateKey(key)) throw refused(`the ${names.key} does not belong to the ${names.certificate}`);
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Says nothing of the text that was given for a key. */
function privateKeyIn(pem: string, what: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw refused(`the ${what} is not a private key in PEM form without a passphrase`);
  }
}

function named(what: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw refused(`${what} ${messageOf(cause)}`);
  }
}

function refused(message: string): ClusterError {
  return new ClusterError("invalid_argument", message);
}
