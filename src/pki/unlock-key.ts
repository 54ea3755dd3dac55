import { hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { ClusterError } from "../base/errors.js";

const UNLOCK_KEY_BYTES = 32;

const PREFIX = "SWMKEY-1-";
/** 32 bytes in base64 without padding (swarm-surface 3.12). */
const PATTERN = /^SWMKEY-1-([A-Za-z0-9+/]{43})$/;

/** What the keys of every manager of a cluster are wrapped with on its disk, while autolock is on. */
export function createUnlockKey(): Uint8Array {
  return randomBytes(UNLOCK_KEY_BYTES);
}

/** As people see it and type it: `SWMKEY-1-…`. */
export function formatUnlockKey(key: Uint8Array): string {
  return `${PREFIX}${Buffer.from(key).toString("base64").replace(/=+$/, "")}`;
}

/** Throws ClusterError `invalid_argument`, with nothing of the text, when it is not an unlock key. */
export function parseUnlockKey(text: string): Uint8Array {
  const [, encoded] = PATTERN.exec(text.trim()) ?? [];
  const key = encoded === undefined ? null : Buffer.from(encoded, "base64");
  if (key?.length !== UNLOCK_KEY_BYTES)
    throw new ClusterError("invalid_argument", `invalid key string: an unlock key is ${PREFIX} and 43 characters of base64`);
  return key;
}

/** Names an unlock key without giving anything of it away. Hexadecimal. */
export function unlockKeyId(key: Uint8Array): string {
  return Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), "swarm unlock key id", 8)).toString("hex");
}

/** True for the same key, and for none and none. */
export function isSameUnlockKey(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && timingSafeEqual(a, b);
}
