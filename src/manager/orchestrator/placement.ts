import type { Node } from "../../model/objects.js";

/**
 * True when tasks must leave the node: it is gone, down or drained. A paused node keeps what it has, and so does one that the
 * managers merely have no news of (unknown, disconnected).
 */
export function mustLeave(node: Node | undefined): boolean {
  return node === undefined || node.status?.state === "down" || node.spec?.availability === "drain";
}
