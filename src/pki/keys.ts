import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { type Node, oid, sequence } from "./der.js";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** A new ECDSA P-256 private key, PKCS#8 PEM. Every key of the cluster is of this kind. */
export function createNodeKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Throws ClusterError `invalid_argument`, without any of its text, when it is not a P-256 private key. */
export function readPrivateKey(pem: string): KeyObject {
  try {
    return requireP256(createPrivateKey(pem));
  } catch (cause) {
    if (cause instanceof ClusterError) throw cause;
    throw new ClusterError("invalid_argument", "not a private key in PEM form");
  }
}

/** Throws ClusterError `invalid_argument` for anything but a P-256 key. */
export function requireP256(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new ClusterError("invalid_argument", `key of type ${key.asymmetricKeyType ?? "unknown"} where ECDSA P-256 is expected`);
  }
  return key;
}

export const publicKeyDer = (key: KeyObject): Buffer => (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" });

/** Names a public key: SHA-256 of its SubjectPublicKeyInfo, hexadecimal. */
export const publicKeyDigest = (key: KeyObject): string => createHash("sha256").update(publicKeyDer(key)).digest("hex");

/** The algorithm that `signDer` uses, as certificates and requests name it. */
export const signatureAlgorithm = (): Node => sequence(oid(ECDSA_WITH_SHA256));
export const isSignatureAlgorithm = (dotted: string): boolean => dotted === ECDSA_WITH_SHA256;

/** ECDSA with SHA-256, DER-encoded (RFC 3279 2.2.3). */
export const signDer = (bytes: Uint8Array, key: KeyObject): Buffer => sign("sha256", bytes, key);
