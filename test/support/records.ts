import { SealedRecords } from "../../src/replica/sealed-records.js";

/** A data key of a member's own; each generation is another one. */
export function dataKeyOf(nodeId: string, generation = 0): Uint8Array {
  return Buffer.alloc(32, `${nodeId}${generation === 0 ? "" : generation}`);
}

/** What a member's records are sealed with: the same for every start of the same member. The first generation seals. */
export function recordsOf(nodeId: string, generations: readonly number[] = [0]): SealedRecords {
  return new SealedRecords({ keys: generations.map((generation) => dataKeyOf(nodeId, generation)), clusterId: "cluster", nodeId });
}
