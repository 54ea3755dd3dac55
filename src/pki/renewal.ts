import type { Random } from "../base/random.js";

const EARLIEST = 0.5;
const LATEST = 0.8;

/** When to renew (milliseconds since the epoch): at a random point between 50 and 80 % of the certificate's life. */
export function planRenewal(validity: { readonly notBeforeMs: number; readonly expiresAtMs: number }, random: Random): number {
  const lifeMs = validity.expiresAtMs - validity.notBeforeMs;
  return validity.notBeforeMs + lifeMs * (EARLIEST + random.next() * (LATEST - EARLIEST));
}
