import type { ContainerRuntime } from "../../runtime/container-runtime.js";
import { HttpError } from "./errors.js";

/** Throws 409 while what is removed for ever might be used by a container of which nothing is known. */
export function assertAllKnown(containers: ContainerRuntime): void {
  const [id] = containers.leftAlone();
  if (id === undefined) return;
  throw new HttpError(
    409,
    `conflict: container ${id} has a damaged record, so what it uses is not known and nothing can be removed: put the record back or remove the container's folder, as the daemon's log says, and start the daemon again`,
  );
}
