import { ClusterError, messageOf } from "../../base/errors.js";

/** Throws ClusterError `invalid_argument` for what is not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new ClusterError("invalid_argument", `it is not JSON: ${messageOf(cause)}`, { cause });
  }
}
