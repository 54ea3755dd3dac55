import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";

const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** Digests of the OCI image specification; SHA-256 is the only algorithm in use. */
export function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}

export function digestOf(bytes: Uint8Array): string {
  return finishDigest(startDigest().update(bytes));
}

export function startDigest(): Hash {
  return createHash("sha256");
}

export function finishDigest(hash: Hash): string {
  return `sha256:${hash.digest("hex")}`;
}
