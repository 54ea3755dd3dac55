import { memberIds } from "./config-change.js";
import type { Core, Leadership } from "./core.js";
import { answerReads, hasCommittedInTerm, newProgress } from "./leader.js";
import type { ConfigState } from "./message.js";
import { isVoter } from "./quorum.js";
import { appendOwn, broadcastAppend, maybeCommit, maybeSendAppend } from "./replication.js";

/** Puts a committed configuration in force. On a leader: begins and ends replication, and steps down when it is out itself. */
export function switchConfig(core: Core, config: ConfigState): void {
  const { leadership } = core;
  if (leadership === null) {
    core.config = config;
    return;
  }
  sayFarewell(core, leadership, config);
  core.config = config;
  updateProgress(core, leadership);
  if (!isVoter(config, core.id)) {
    resign(core, leadership);
    return;
  }
  // A smaller quorum may already have what the larger one lacked. What is in force may now be told, too.
  maybeCommit(core, leadership);
  broadcastAppend(core, leadership);
  // Whose answer was missing may be gone, and with it the last one that could be asked.
  answerReads(core, leadership);
  if (!isVoter(config, leadership.transferee)) leadership.transferee = 0;
}

/**
 * A joint configuration is left as soon as it is in force. Whoever leads then does that, also a leader that was elected meanwhile: as soon as all that may
 * change the membership in its log is applied, and it knows by an entry of its own term that nobody else's is to come.
 */
export function maybeLeaveJoint(core: Core, leadership: Leadership): void {
  if (!core.config.autoLeave || leadership.pendingConfigIndex > core.log.applied || !hasCommittedInTerm(core)) return;
  leadership.pendingConfigIndex = core.log.lastIndex + 1;
  appendOwn(core, [{ type: "config_change", data: new Uint8Array(0) }]);
  broadcastAppend(core, leadership);
}

/** A last append tells those who leave that the entry that removes them is committed. It may get lost: nothing depends on it. */
function sayFarewell(core: Core, leadership: Leadership, config: ConfigState): void {
  const staying = memberIds(config);
  for (const raftId of leadership.progress.keys()) {
    if (raftId !== core.id && !staying.includes(raftId)) maybeSendAppend(core, leadership, raftId, "even_if_empty");
  }
}

function updateProgress(core: Core, leadership: Leadership): void {
  const members = memberIds(core.config);
  for (const raftId of leadership.progress.keys()) if (!members.includes(raftId)) leadership.progress.delete(raftId);
  for (const raftId of members) {
    const isLearner = !isVoter(core.config, raftId);
    const known = leadership.progress.get(raftId);
    // One entry back, so that there is something to send at once; active at first, so that it has time to answer.
    if (known === undefined) leadership.progress.set(raftId, newProgress(core, raftId, core.log.lastIndex, true));
    else known.isLearner = isLearner;
  }
}

/** A leader that is no voter any more tells the others what is committed, and the voter with the longest log to take over at once. */
function resign(core: Core, leadership: Leadership): void {
  broadcastAppend(core, leadership);
  const voters = [...leadership.progress].filter(([, { isLearner }]) => !isLearner);
  const successor = voters.sort(([, a], [, b]) => b.match - a.match)[0];
  if (successor !== undefined) core.send({ type: "timeout_now", to: successor[0] });
  core.becomeFollower(core.term);
}
