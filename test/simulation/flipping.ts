import { integerBetween, type Random } from "../../src/base/random.js";

/** Changes one bit; says in which byte. */
export function flipByte(bytes: Uint8Array, random: Random): number {
  const at = integerBetween(random, 0, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << integerBetween(random, 0, 7));
  return at;
}
