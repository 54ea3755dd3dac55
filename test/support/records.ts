import { SealedRecords } from "../../src/replica/sealed-records.js";

/** Seals as the member of this name does, who has a key of its own. */
export function recordsOf(nodeId: string): SealedRecords {
  return new SealedRecords({ key: Buffer.alloc(32, nodeId), clusterId: "cluster", nodeId });
}
