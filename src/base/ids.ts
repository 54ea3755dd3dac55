import { randomBytes } from "node:crypto";

const ID_LENGTH = 25;
const ID_BYTES = 16;
const POOL_BYTES = 4096;

/** Random bytes that were asked of the system together and not used yet: asking for each id would cost more than everything else about it. */
let pool: Buffer = Buffer.alloc(0);

/** A new object id: 25 characters of base36, 128 random bits (swarm-surface, conventions). */
export function newId(): string {
  if (pool.length < ID_BYTES) pool = randomBytes(POOL_BYTES);
  const bytes = pool.subarray(0, ID_BYTES);
  pool = pool.subarray(ID_BYTES);
  return base36(bytes, ID_LENGTH);
}

/** Big-endian bytes as lower-case base36, left-padded with zeros to `length` characters. */
export function base36(bytes: Uint8Array, length: number): string {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`)
    .toString(36)
    .padStart(length, "0");
}

/** A new raft id: random, non-zero, below 2^53, never reused. */
export function newRaftId(): number {
  for (;;) {
    const id = Number(randomBytes(8).readBigUInt64BE() >> 11n);
    if (id !== 0) return id;
  }
}

/** A new container id: 64 hexadecimal characters, as the engine API has it. */
export function newContainerId(): string {
  return randomBytes(32).toString("hex");
}
