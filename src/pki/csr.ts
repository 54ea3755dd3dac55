import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { bits, bytesOf, childrenOf, decode, encode, integer, oidOf, sequence, tagged } from "./der.js";
import { isSignatureAlgorithm, publicKeyDer, readPrivateKey, requireP256, signatureAlgorithm, signDer } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";

const LABEL = "CERTIFICATE REQUEST";
/** A request with a P-256 key is under 500 bytes; anonymous callers send these. */
const CSR_CHARACTERS_MAX = 8192;

/** A PKCS#10 request (RFC 2986) for the key, PEM. Its subject is empty: who the node is, the manager decides. */
export function createCsr(keyPem: string): string {
  const key = readPrivateKey(keyPem);
  const info = sequence(integer(Uint8Array.of(0)), sequence(), decode(publicKeyDer(key), "public key"), tagged(0, []));
  return encodePem(LABEL, encode(sequence(info, signatureAlgorithm(), bits(signDer(encode(info), key)))));
}

/**
 * The public key that a request asks for; nothing else in it is used. Throws ClusterError `invalid_argument` when it is
 * malformed, not for a P-256 key, or not signed by the key's owner.
 */
export function publicKeyOfCsr(csr: string): KeyObject {
  if (csr.length > CSR_CHARACTERS_MAX) throw new ClusterError("invalid_argument", `certificate request of ${csr.length} characters is too long`);
  const [info, algorithm, signature] = childrenOf(decode(decodePem(LABEL, csr), "certificate request"), "certificate request");
  const key = publicKeyOf(encode(sequence(...childrenOf(childrenOf(info, "certificate request")[2], "public key"))));
  if (!isSignatureAlgorithm(oidOf(childrenOf(algorithm, "signature algorithm")[0], "signature algorithm"))) {
    throw new ClusterError("invalid_argument", "certificate request is not signed with ECDSA and SHA-256");
  }
  const signed = encode(sequence(...childrenOf(info, "certificate request")));
  if (!verify("sha256", signed, key, bytesOf(signature, "signature").subarray(1))) {
    throw new ClusterError("invalid_argument", "certificate request is not signed by the key that it asks for");
  }
  return key;
}

function publicKeyOf(der: Buffer): KeyObject {
  try {
    return requireP256(createPublicKey({ key: der, format: "der", type: "spki" }));
  } catch (cause) {
    throw cause instanceof ClusterError ? cause : new ClusterError("invalid_argument", "certificate request has no readable public key", { cause });
  }
}
