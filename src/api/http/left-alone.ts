import type { ContainerRuntime, DamagedContainer } from "../../runtime/container-runtime.js";
import { DAMAGED_TEXT } from "./convert/dead-container.js";
import { HttpError } from "./errors.js";

/** Throws 409 while what is removed for ever might be used by a container of which nothing is known. */
export function assertAllKnown(containers: ContainerRuntime): void {
  const [damaged] = containers.leftAlone();
  if (damaged === undefined) return;
  throw new HttpError(409, `conflict: container ${damaged.id} has a damaged record, so what it uses is not known and nothing can be removed: ${DAMAGED_TEXT}`);
}

/** By its id, or what that begins with; undefined when there is none, or several. */
export function findDamaged(containers: Pick<ContainerRuntime, "leftAlone">, reference: string): DamagedContainer | undefined {
  const found = reference === "" ? [] : containers.leftAlone().filter(({ id }) => id.startsWith(reference));
  return found.length === 1 ? found[0] : undefined;
}
