import { ClusterError } from "../../base/errors.js";
import { isReadableTime } from "../../base/readable-time.js";
import type { NodeDescription, Task, TaskStatus } from "../../model/objects.js";
import { roughBytes } from "../../store/object-size.js";

/** What a program says when it fails can be long; the beginning tells why. */
const TEXT_CHARACTERS_MAX = 8_192;
/** Beside the ports that the task is to publish. */
const STATUS_BYTES_MAX = 64 * 1024;
const DESCRIPTION_BYTES_MAX = 64 * 1024;
/** What is more than text to a terminal, and halves of characters, as a cut leaves them: the log would carry something else. A message may have several lines. */
const CONTROLS = /[^\P{Cc}\n\t]|\p{Cs}/gu;
const CONTROLS_AND_LINES = /[\p{Cc}\p{Cs}]/gu;
const REPLACEMENT = "\uFFFD";

/** A report as it is stored: what one node says must not keep others' reports out of the log, nor tasks from being shown. Throws ClusterError `invalid_argument`. */
export function boundedStatus({ id, endpoint }: Task, status: TaskStatus): TaskStatus {
  if (!isReadableTime(status.timestampMs)) throw new ClusterError("invalid_argument", `report on task ${id} is of a time after the year 9999`);
  const bounded = { ...status, message: shortText(status.message), error: shortText(status.error) };
  const bytes = roughBytes(bounded);
  // It names the ports that the task has: as many as the operator asked for.
  const bytesMax = STATUS_BYTES_MAX + roughBytes(endpoint);
  if (bytes > bytesMax) throw new ClusterError("invalid_argument", `report on task ${id} of ${bytes} bytes is larger than ${bytesMax} bytes`);
  return bounded;
}

/**
 * A description as it is stored: names that are shown have no characters that steer a terminal. Throws ClusterError `invalid_argument` for one that the leader could not
 * store together with what operators say of the node.
 */
export function boundedDescription(nodeId: string, description: NodeDescription | null): NodeDescription | null {
  const bounded = description === null ? null : { ...(plain({ ...description, tlsInfo: null }) as NodeDescription), tlsInfo: description.tlsInfo };
  const bytes = roughBytes(bounded);
  if (bytes <= DESCRIPTION_BYTES_MAX) return bounded;
  throw new ClusterError("invalid_argument", `description of node ${nodeId} of ${bytes} bytes is larger than ${DESCRIPTION_BYTES_MAX} bytes`);
}

function shortText(text: string): string {
  return text.slice(0, TEXT_CHARACTERS_MAX).replace(CONTROLS, REPLACEMENT);
}

/** The same value with its texts, and the names in its maps, in one line each. */
function plain(value: unknown): unknown {
  if (typeof value === "string") return value.replace(CONTROLS_AND_LINES, REPLACEMENT);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [plain(name), plain(field)]));
}
