import { createHash, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import { ClusterError } from "../base/errors.js";
import { type Node, bits, boolean, bytesOf, childrenOf, decode, encode, integer, octets, oid, oidOf, sequence, set, tagged, time, utf8 } from "./der.js";
import { publicKeyDer, signatureAlgorithm, signDer } from "./keys.js";
import { encodePem } from "./pem.js";

/** Object identifiers of RFC 5280: attributes of names, and extensions. */
const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  organizationalUnit: "2.5.4.11",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

export interface NamePart {
  readonly attribute: "commonName" | "organization" | "organizationalUnit";
  readonly value: string;
}

/** A distinguished name; the order of the parts is kept. */
export const name = (parts: readonly NamePart[]): Node => sequence(...parts.map(({ attribute, value }) => set(sequence(oid(OID[attribute]), utf8(value)))));

/** What a certificate is to say. */
export interface CertificateContent {
  readonly issuer: Node;
  readonly subject: Node;
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Node[];
}

/** A version 3 certificate (RFC 5280 4.1) with a random serial number, signed by the issuer's key; PEM. */
export function signCertificate(content: CertificateContent, issuerKey: KeyObject): string {
  const body = sequence(
    tagged(0, [integer(Uint8Array.of(2))]),
    integer(newSerial()),
    signatureAlgorithm(),
    content.issuer,
    sequence(time(content.notBeforeMs), time(content.notAfterMs)),
    content.subject,
    decode(publicKeyDer(content.publicKey), "public key"),
    tagged(3, [sequence(...content.extensions)]),
  );
  return encodePem("CERTIFICATE", encode(sequence(body, signatureAlgorithm(), bits(signDer(encode(body), issuerKey)))));
}

/** Between this authority and a node's certificate there may be so many others. */
export const isAuthority = (pathLength: 0 | 1): Node => extension(OID.basicConstraints, true, sequence(boolean(true), integer(Uint8Array.of(pathLength))));
export const isNotAuthority = (): Node => extension(OID.basicConstraints, true, sequence());
/** Bits 5 and 6: keyCertSign and cRLSign. */
export const mayCertify = (): Node => extension(OID.keyUsage, true, bits(Uint8Array.of(0x06), 1));
/** Bit 0: digitalSignature, which TLS needs of an ECDSA key. */
export const maySign = (): Node => extension(OID.keyUsage, true, bits(Uint8Array.of(0x80), 7));
export const forTls = (): Node => extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth)));
/** Tag 2 of GeneralName is dNSName, 7 iPAddress, for which only IPv4 is known here. */
export const alternativeNames = (names: readonly string[]): Node =>
  extension(
    OID.subjectAltName,
    false,
    sequence(...names.map((text) => (isIPv4(text) ? tagged(7, String.fromCharCode(...text.split(".").map(Number))) : tagged(2, text)))),
  );
export const keyIdOf = (key: KeyObject): Node => hasKeyId(keyId(key));
export const hasKeyId = (id: Uint8Array): Node => extension(OID.subjectKeyId, false, octets(id));
/** Tag 0 of AuthorityKeyIdentifier is keyIdentifier. */
export const issuedBy = (authorityKeyId: Buffer): Node => extension(OID.authorityKeyId, false, sequence(tagged(0, authorityKeyId.toString("latin1"))));

/** What issuing needs of the issuer's certificate: its subject as it stands there, and its key identifier, if it has one. */
export function readIssuer(certificate: X509Certificate): { readonly subject: Node; readonly keyId: Buffer | null } {
  const subject = partsOf(certificate)[5];
  if (subject === undefined) throw new ClusterError("invalid_argument", "certificate has no subject");
  const id = extensionIn(certificate, OID.subjectKeyId);
  return { subject, keyId: id === null ? null : bytesOf(decode(id, "key identifier"), "key identifier") };
}

/** Whether a certificate says by which key it was issued, not by which name alone. */
export const namesIssuerKey = (certificate: X509Certificate): boolean => extensionIn(certificate, OID.authorityKeyId) !== null;

/** Whether TLS takes the certificate for either end of a connection: what it says of its use allows that, or it says nothing (RFC 5280 4.2.1.3 and 4.2.1.12). */
export function isForTls(certificate: X509Certificate): boolean {
  const usage = extensionIn(certificate, OID.keyUsage);
  // The first byte counts unused bits; bit 0 of those after it, digitalSignature, is the highest.
  const maySign = usage === null || ((bytesOf(decode(usage, "key usage"), "key usage")[1] ?? 0) & 0x80) !== 0;
  return maySign && hasTlsPurposes(certificate);
}

/** Whether TLS takes what this authority issues: OpenSSL holds the purposes of the whole chain, and the names that an authority is confined to, against a node's certificate. */
export function mayIssueForTls(authority: X509Certificate): boolean {
  return hasTlsPurposes(authority) && extensionIn(authority, OID.nameConstraints) === null;
}

function hasTlsPurposes(certificate: X509Certificate): boolean {
  const purposes: readonly string[] | undefined = certificate.keyUsage; // Of the extended key usage, whatever its name; absent when there is none.
  return purposes === undefined || (purposes.includes(OID.serverAuth) && purposes.includes(OID.clientAuth));
}

/** True unless the authority says that there may be no other one between it and a node (RFC 5280 4.2.1.9). */
export function mayVouch(certificate: X509Certificate): boolean {
  const constraints = extensionIn(certificate, OID.basicConstraints);
  const pathLength = constraints === null ? undefined : childrenOf(decode(constraints, "basic constraints"), "basic constraints")[1];
  return pathLength === undefined || bytesOf(pathLength, "path length").some((byte) => byte !== 0);
}

/** Throws ClusterError `invalid_argument` when the text is not a certificate. Only the first of several is read. */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new ClusterError("invalid_argument", "not a certificate in PEM form", { cause });
  }
}

/** Of the part of a certificate that is signed. */
const partsOf = (certificate: X509Certificate): readonly Node[] =>
  childrenOf(childrenOf(decode(certificate.raw, "certificate"), "certificate")[0], "certificate");

/** The value of an extension, DER; null when the certificate has none of this kind. */
function extensionIn(certificate: X509Certificate, dotted: string): Buffer | null {
  const parts = partsOf(certificate);
  const extensions = parts.length > 7 ? childrenOf(childrenOf(parts.at(-1), "extensions")[0], "extensions") : [];
  for (const item of extensions) {
    const [id, ...rest] = childrenOf(item, "extension");
    if (oidOf(id, "extension") === dotted) return bytesOf(rest.at(-1), "extension");
  }
  return null;
}

const extension = (dotted: string, isCritical: boolean, value: Node): Node =>
  sequence(oid(dotted), ...(isCritical ? [boolean(true)] : []), octets(encode(value)));

/**
 * RFC 5280 4.2.1.2, method 1: the SHA-1 of the key. It names the key and protects nothing. An external authority that cross-signs a new root names its key like this whatever
 * the root itself says (cfssl: signer/signer.go, ComputeSKI), and OpenSSL follows only certificates in which both are the same.
 */
function keyId(key: KeyObject): Buffer {
  const parts = childrenOf(decode(publicKeyDer(key), "public key"), "public key");
  return createHash("sha1").update(bytesOf(parts[1], "public key").subarray(1)).digest();
}

/** RFC 5280 4.1.2.2: positive, at most 20 bytes. */
function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
