import type { RaftMessage } from "../../src/raft/message.js";

/** One line for traces and conversations; fields that say nothing are left out. */
export function describeMessage(message: RaftMessage): string {
  const { type, from, to, term, index, logTerm, entries, commit, reject, context, forced } = message;
  const parts = [`${from} -> ${to} ${type} term ${term}`];
  if (index > 0) parts.push(`at ${index}${logTerm > 0 ? `/${logTerm}` : ""}`);
  if (entries.length > 0) parts.push(`entries ${entries.map((entry) => `${entry.index}/${entry.term}`).join(" ")}`);
  if (commit > 0) parts.push(`commit ${commit}`);
  if (context > 0) parts.push(`context ${context}`);
  if (reject) parts.push(type === "append_reply" ? `rejected, hint ${message.hintIndex}/${message.hintTerm}` : "rejected");
  if (type !== "append_reply" && message.hintTerm > 0) parts.push(`commit ${message.hintIndex}/${message.hintTerm}`);
  if (forced) parts.push("forced");
  if (message.snapshot !== null) parts.push(`snapshot ${message.snapshot.index}/${message.snapshot.term}`);
  return parts.join(" ");
}
