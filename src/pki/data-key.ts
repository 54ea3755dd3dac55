import { randomBytes } from "node:crypto";

export const DATA_KEY_BYTES = 32;

/** What a manager's log, tail file and snapshots are sealed with: 256 bits of its own. */
export interface DataKey {
  readonly key: Uint8Array;
  /** The cluster's count of rotations that it was made for: a manager that missed some knows by it. */
  readonly epoch: number;
}

/** A new key for a manager's raft log, of the cluster's present count of rotations. */
export function createDataKey(epoch: number): DataKey {
  return { key: randomBytes(DATA_KEY_BYTES), epoch };
}
