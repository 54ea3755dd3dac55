import { ClusterError } from "../../base/errors.js";
import type { NodeDescription, TaskStatus } from "../../model/objects.js";
import { roughBytes } from "../../store/object-size.js";

/** What a program says when it fails can be long; the beginning tells why. */
const TEXT_CHARACTERS_MAX = 8_192;
const STATUS_BYTES_MAX = 64 * 1024;
const DESCRIPTION_BYTES_MAX = 64 * 1024;

/** A report as it is stored: what one node says must not keep others' reports out of the log. Throws ClusterError `invalid_argument` for one that is too large. */
export function boundedStatus(taskId: string, status: TaskStatus): TaskStatus {
  const bounded = { ...status, message: status.message.slice(0, TEXT_CHARACTERS_MAX), error: status.error.slice(0, TEXT_CHARACTERS_MAX) };
  const bytes = roughBytes(bounded);
  if (bytes > STATUS_BYTES_MAX)
    throw new ClusterError("invalid_argument", `report on task ${taskId} of ${bytes} bytes is larger than ${STATUS_BYTES_MAX} bytes`);
  return bounded;
}

/** Throws ClusterError `invalid_argument` for a description that the leader could not store together with what operators say of the node. */
export function assertDescriptionSize(nodeId: string, description: NodeDescription | null): void {
  const bytes = roughBytes(description);
  if (bytes <= DESCRIPTION_BYTES_MAX) return;
  throw new ClusterError("invalid_argument", `description of node ${nodeId} of ${bytes} bytes is larger than ${DESCRIPTION_BYTES_MAX} bytes`);
}
