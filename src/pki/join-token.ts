import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { base36 } from "../base/ids.js";
import { readCertificate } from "./x509.js";

/** A join token is the only secret here: it is never part of a message. */
export interface JoinToken {
  /** 50 characters of base36: SHA-256 of the root certificate. */
  readonly digest: string;
  /** 25 characters of base36: 128 random bits. */
  readonly secret: string;
}

const PATTERN = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** `SWMTKN-1-<digest of the root>-<secret>`, with a new secret (swarm-surface 3.11). */
export function createJoinToken(rootPem: string): string {
  return `SWMTKN-1-${rootDigest(rootPem)}-${base36(randomBytes(16), 25)}`;
}

/** Throws ClusterError `invalid_argument` when the text is not a join token. */
export function parseJoinToken(token: string): JoinToken {
  const [, digest, secret] = PATTERN.exec(token.trim()) ?? [];
  if (digest === undefined || secret === undefined) throw new ClusterError("invalid_argument", "invalid join token");
  return { digest, secret };
}

/** True when the token belongs to the cluster with this root certificate (PEM). Throws like parseJoinToken. */
export function tokenMatchesRoot(token: string, rootPem: string): boolean {
  return parseJoinToken(token).digest === rootDigest(rootPem);
}

/** Equality in constant time. */
export function isSameToken(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text.trim()).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** The DER of the certificate counts, so that line ends and comments in the PEM do not. */
function rootDigest(rootPem: string): string {
  return base36(createHash("sha256").update(readCertificate(rootPem).raw).digest(), 50);
}
