import { ClusterError, isClusterError } from "../../base/errors.js";

/** In the details of a failure: parts of the write were committed before, or may have been. */
export const HAS_BEGUN = "hasBegun";

/** A part of a write that is not its first. When leadership is lost before it was proposed, the failure says that the write as a whole has begun. */
export async function laterPart<T>(part: () => Promise<T>): Promise<T> {
  try {
    return await part();
  } catch (cause) {
    if (!isClusterError(cause, "no_leader") && !isClusterError(cause, "unavailable")) throw cause;
    throw new ClusterError(cause.code, cause.message, { details: { ...cause.details, [HAS_BEGUN]: "true" }, cause });
  }
}
