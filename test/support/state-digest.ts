import { createHash } from "node:crypto";
import type { StoreObject } from "../../src/model/objects.js";
import { StoreObjectCodec } from "../../src/wire/generated/objects.js";

/** Equal for two stores that hold the same objects, versions and times included. */
export function stateDigest(objects: Iterable<StoreObject>): string {
  const each = [...objects].map((object) => createHash("sha256").update(StoreObjectCodec.encode(object)).digest("hex"));
  return createHash("sha256").update(each.sort().join()).digest("hex");
}
