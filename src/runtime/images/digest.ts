import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";

const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** Digests of the OCI image specification; SHA-256 is the only algorithm in use. */
export function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}

/** As OCI images name content: `sha256:` and 64 hexadecimal digits (image-spec, descriptor.md). */
export function digestOf(bytes: Uint8Array): string {
  return finishDigest(startDigest().update(bytes));
}

/** For content that comes in parts; `finishDigest` gives its name. */
export function startDigest(): Hash {
  return createHash("sha256");
}

/** The hash is used up. */
export function finishDigest(hash: Hash): string {
  return `sha256:${hash.digest("hex")}`;
}
