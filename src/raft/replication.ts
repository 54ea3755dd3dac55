import { defined } from "../base/assert.js";
import type { Core, Leadership } from "./core.js";
import type { Entry, RaftMessage } from "./message.js";
import type { Progress } from "./progress.js";
import { quorumIndex } from "./quorum.js";

/** Appends to the leader's own log. It counts itself once the entries are durable, by a reply to itself. */
export function appendOwn(core: Core, entries: readonly Pick<Entry, "type" | "data">[]): void {
  const first = core.log.lastIndex + 1;
  core.log.append(entries.map(({ type, data }, position) => ({ index: first + position, term: core.term, type, data })));
  core.send({ type: "append_reply", to: core.id, index: core.log.lastIndex });
}

/** Tells everybody what is new: entries, or only a higher commit. */
export function broadcastAppend(core: Core, leadership: Leadership): void {
  leadership.hasCommitNews = false;
  for (const raftId of leadership.progress.keys()) if (raftId !== core.id) maybeSendAppend(core, leadership, raftId, "even_if_empty");
}

/** Tells everybody that the commit rose, unless the next entries took that along. Who waits for a read must hear of it before the answer. */
export function tellCommit(core: Core, leadership: Leadership): void {
  if (leadership.hasCommitNews) broadcastAppend(core, leadership);
}

/** Sends entries as long as there are some and the window has room. */
export function fillWindow(core: Core, leadership: Leadership, to: number): void {
  while (maybeSendAppend(core, leadership, to, "only_entries"));
}

/**
 * Sends the next append, or a snapshot when its entries are compacted. False when nothing was to be sent now.
 *
 * Nobody hears that a change of membership is committed before it is in force here, and with it durable: who learns of its removal goes away,
 * and a leader that did not know of it any more, or not yet, would wait in vain for the answers of somebody who is gone.
 */
export function maybeSendAppend(core: Core, leadership: Leadership, to: number, mode: "only_entries" | "even_if_empty"): boolean {
  const progress = leadership.progress.get(to);
  if (progress === undefined || progress.isPaused) return false;
  const before = progress.next - 1;
  const logTerm = core.log.term(before);
  const entries = progress.hasRoom ? core.log.entries(progress.next, core.log.lastIndex + 1, core.bytesPerMessageMax) : [];
  if (logTerm === undefined || entries === undefined) return maybeSendSnapshot(core, progress, to);
  if (entries.length === 0 && mode === "only_entries") return false;
  core.send({ type: "append", to, index: before, logTerm, entries, commit: core.log.commitInForce });
  let bytes = 0;
  for (const { data } of entries) bytes += data.length;
  progress.sent(entries.length, bytes);
  return true;
}

function maybeSendSnapshot(core: Core, progress: Progress, to: number): boolean {
  const snapshot = core.log.snapshot();
  // Streaming to a member that does not even answer heartbeats would be wasted.
  if (snapshot === null || !progress.recentlyActive) return false;
  core.send({ type: "snapshot", to, snapshot });
  progress.becomeSnapshot(snapshot.index);
  return true;
}

/** Commits what a quorum has, if it is of the leader's own term: older entries only along with it (Raft, section 5.4.2). */
export function maybeCommit(core: Core, leadership: Leadership): boolean {
  const index = quorumIndex(core.config, (raftId) => leadership.progress.get(raftId)?.match ?? 0);
  if (!Number.isFinite(index) || index <= core.log.commit || core.log.term(index) !== core.term) return false;
  core.log.commitTo(index);
  return true;
}

/** A member's answer to an append or a snapshot. True when something new was committed. */
export function onAppendReply(core: Core, leadership: Leadership, message: RaftMessage): boolean {
  const progress = leadership.progress.get(message.from);
  if (progress === undefined || message.index > core.log.lastIndex) return false;
  const wasPaused = progress.isPaused;
  progress.recentlyActive = true;
  if (message.reject) {
    onRejection(core, leadership, progress, message);
    return false;
  }
  const isNews = progress.maybeAdvance(message.index);
  if (!isNews && !(progress.state === "probe" && progress.match === message.index)) return false;
  if (progress.state === "replicate") progress.freeInflights();
  // After a snapshot the window opens only if what follows it is still in the log.
  else if (progress.state === "probe" || progress.match + 1 >= core.log.firstIndex) progress.becomeReplicate();
  // Who has only what is committed already adds nothing to the quorum of anything else.
  const hasCommitted = progress.match > core.log.commit && maybeCommit(core, leadership);
  if (hasCommitted) leadership.hasCommitNews = true;
  // While it was paused it may have missed that the commit rose.
  else if (wasPaused && message.from !== core.id) maybeSendAppend(core, leadership, message.from, "even_if_empty");
  if (message.from !== core.id) fillWindow(core, leadership, message.from);
  return hasCommitted;
}

function onRejection(core: Core, leadership: Leadership, progress: Progress, message: RaftMessage): void {
  // Where the follower's term at its hint is lower than ours there, all of our entries of higher terms are skipped at once.
  const hint = message.hintTerm > 0 ? core.log.agreementBound(message.hintIndex, message.hintTerm).index : message.hintIndex;
  if (progress.maybeStepBack(message.index, hint)) maybeSendAppend(core, leadership, message.from, "even_if_empty");
}

/** A member answered a heartbeat: it may have missed something. */
export function onHeartbeatReply(core: Core, leadership: Leadership, from: number): void {
  const progress = defined(leadership.progress.get(from), "the caller knows the member");
  progress.recentlyActive = true;
  progress.resume();
  if (progress.match < core.log.lastIndex || progress.state === "probe") maybeSendAppend(core, leadership, from, "even_if_empty");
}
