import { ClusterError, messageOf } from "../../base/errors.js";

/** Throws ClusterError `invalid_argument` that names `what` when it is not JSON. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new ClusterError("invalid_argument", `${what} is not JSON: ${messageOf(cause)}`, { cause });
  }
}
