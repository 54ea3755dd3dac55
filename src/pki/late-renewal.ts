import { createHmac, randomBytes, sign, timingSafeEqual, verify } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { type CertificateIdentity, identityOf } from "./identity.js";
import { readPrivateKey } from "./keys.js";
import { certificatesIn, chainIn, trustedIssuer } from "./trust.js";

/** A node that was off too long has only a certificate outside its validity: what it signs to get a new one (architecture, section 4). */
export interface LateRenewal {
  /** PEM of the request for the new certificate. */
  readonly csr: string;
  /** PEM of the certificate that is outside its validity, leaf first. */
  readonly certificate: string;
  /** From the manager that is asked. */
  readonly nonce: Uint8Array;
  readonly signature: Uint8Array;
}

/** A certificate and the one that it brings along are under 2,000 bytes; anonymous callers send these, and each in a chain costs a look at its signature. */
const CERTIFICATE_CHARACTERS_MAX = 8192;

/** Signs for a late renewal, with the key (PEM) of the old certificate. */
export function signLateRenewal(renewal: Omit<LateRenewal, "signature">, key: string): Buffer {
  return sign("sha256", signedBytes(renewal), readPrivateKey(key));
}

/**
 * Who asks for a late renewal, when an authority that the cluster trusts issued the certificate and its owner's key signed this very request. Dates are the one thing that is not looked at.
 * Throws ClusterError `unauthenticated`. Whether the node still is one, and with this key, only the leader's store can say.
 */
export function verifyLateRenewal(renewal: LateRenewal, trust: { readonly rootCertificate: string; readonly clusterId: string }): CertificateIdentity {
  const refused = (why: string) => new ClusterError("unauthenticated", `late renewal refused: ${why}`);
  if (renewal.certificate.length > CERTIFICATE_CHARACTERS_MAX) throw refused(`a certificate of ${renewal.certificate.length} characters is too long`);
  const chain = chainIn(renewal.certificate);
  if (trustedIssuer(chain, certificatesIn(trust.rootCertificate)) === null)
    throw refused("the certificate was not issued by this cluster's certificate authority");
  const identity = identityOf(chain.leaf);
  if (identity.clusterId !== trust.clusterId) throw refused(`the certificate is of cluster ${identity.clusterId}`);
  if (!verify("sha256", signedBytes(renewal), chain.leaf.publicKey, renewal.signature)) throw refused("the request is not signed by the certificate's owner");
  return identity;
}

/** Every part has its length before it, so that no two requests have the same bytes. */
function signedBytes({ csr, certificate, nonce }: Omit<LateRenewal, "signature">): Buffer {
  const parts = ["swarm late renewal 1", nonce, csr, certificate].map((part) => Buffer.from(part));
  return Buffer.concat(parts.flatMap((part) => [lengthOf(part), part]));
}

function lengthOf(part: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(part.length);
  return length;
}

/** How long an answer to a nonce may take. */
const NONCE_MS = 60_000;
const MAC_BYTES = 32;

/**
 * Nonces that nothing has to be kept for: time and random bytes under a key of this process. One may be used again while it lives: a request that is sent again
 * asks for the same key, and gets nothing that the first one did not.
 */
export class RenewalNonces {
  readonly #key = randomBytes(32);

  issue(nowMs: number): Buffer {
    const content = Buffer.alloc(24);
    content.writeBigUInt64BE(BigInt(Math.trunc(nowMs)));
    randomBytes(16).copy(content, 8);
    return Buffer.concat([content, this.#mac(content)]);
  }

  /** Throws ClusterError `unauthenticated` for one that is not of this process, or too old. */
  check(nonce: Uint8Array, nowMs: number): void {
    const bytes = Buffer.from(nonce);
    const content = bytes.subarray(0, 24);
    const isOurs = bytes.length === content.length + MAC_BYTES && timingSafeEqual(bytes.subarray(24), this.#mac(content));
    if (!isOurs || Math.abs(nowMs - Number(content.readBigUInt64BE())) > NONCE_MS) {
      throw new ClusterError("unauthenticated", "late renewal refused: its nonce is not of this manager, or too old");
    }
  }

  #mac(content: Buffer): Buffer {
    return createHmac("sha256", this.#key).update(content).digest();
  }
}
