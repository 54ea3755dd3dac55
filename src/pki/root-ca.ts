import { readPrivateKey, createNodeKey } from "./keys.js";
import { isAuthority, keyIdOf, mayCertify, name, signCertificate } from "./x509.js";

/** The cluster's certificate authority; the key never leaves the managers. */
export interface RootCa {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8 PEM. */
  readonly key: string;
}

const HOUR_MS = 3_600_000;
/** 20 years of 365 days, as Swarm has it (swarm-surface 3.11). */
const ROOT_VALIDITY_MS = 20 * 365 * 24 * HOUR_MS;

/** Certificates are dated back by this much, for nodes whose clock is slow. */
export const BACKDATE_MS = HOUR_MS;

/** A new self-signed root: CN swarm-ca, ECDSA P-256, 20 years. */
export function createRootCa(options: { readonly nowMs: number }): RootCa {
  const key = createNodeKey();
  const privateKey = readPrivateKey(key);
  const subject = name([{ attribute: "commonName", value: "swarm-ca" }]);
  const certificate = signCertificate(
    {
      issuer: subject,
      subject,
      publicKey: privateKey,
      notBeforeMs: options.nowMs - BACKDATE_MS,
      notAfterMs: options.nowMs + ROOT_VALIDITY_MS,
      extensions: [isAuthority(1), mayCertify(), keyIdOf(privateKey)],
    },
    privateKey,
  );
  return { certificate, key };
}
