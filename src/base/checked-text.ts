import { createHash } from "node:crypto";
import { ClusterError } from "./errors.js";

const CHECK = /^([\s\S]*\n)# sha256 ([0-9a-f]{64})\n$/;
/** What is left of one that is damaged itself. */
const DAMAGED_CHECK = /(?:^|\n)# sha256 |[0-9a-f]{64}\n$/;

/** A text with its checksum in a line behind its last one, so that no damage can pass for another text. One whose last line has no end gets none. */
export function withCheck(text: string): string {
  return text.endsWith("\n") ? `${text}# sha256 ${digestOf(text)}\n` : text;
}

/**
 * The text without its checksum. One that has none is taken as it is: an earlier version wrote it, or a person. Throws ClusterError `failed_precondition`, with
 * nothing of the text, when it is damaged.
 */
export function checkedText(text: string): string {
  const [, content, digest] = CHECK.exec(text) ?? [];
  if (content === undefined && !DAMAGED_CHECK.test(text)) return text;
  if (content === undefined || digestOf(content) !== digest) throw new ClusterError("failed_precondition", "its checksum is not that of its content");
  return content;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
