import { certificatesIn } from "../pki/trust.js";
import type { LiveIdentity } from "../rpc/live-identity.js";

/** When what a node's place in the swarm depends on begins and ends. */
export interface CertificateLife {
  readonly certificate: "node" | "root";
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
}

/** The node's own, and of the roots that are trusted (two, while one replaces the other) the first to expire. */
export function certificateLives({ identity, credentials }: LiveIdentity): readonly CertificateLife[] {
  const roots = certificatesIn(credentials.rootCertificate).map(({ validFrom, validTo }) => ({
    certificate: "root" as const,
    notBeforeMs: Date.parse(validFrom),
    expiresAtMs: Date.parse(validTo),
  }));
  const [first] = roots.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
  return [{ certificate: "node", notBeforeMs: identity.notBeforeMs, expiresAtMs: identity.expiresAtMs }, ...(first === undefined ? [] : [first])];
}
