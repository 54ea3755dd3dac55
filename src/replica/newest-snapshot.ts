import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { SnapshotMeta } from "../raft/message.js";
import type { LogState } from "./log-state.js";
import type { MemoryLog } from "./memory-log.js";
import { damagedLog } from "./recovery.js";
import type { SnapshotFolder } from "./snapshot-folder.js";
import type { SnapshotPlace } from "./snapshot-frames.js";

interface Resumed {
  readonly directory: string;
  readonly storage: MemoryLog;
  readonly folder: SnapshotFolder;
  readonly logger: Logger;
  readonly restore: (place: SnapshotPlace) => Promise<SnapshotMeta>;
}

/**
 * Restores, after a start, the newest snapshot that is whole and joins the log, and makes the log ready for the core; null for a member that never had a
 * snapshot. Throws ClusterError `failed_precondition` with the details of recoverLog when there is none and there should be.
 */
export async function resume(state: LogState, member: Resumed): Promise<SnapshotMeta | null> {
  const { storage } = member;
  const snapshot = await restoreNewest(state, member);
  if (snapshot !== null) storage.setSnapshot(snapshot);
  // What a snapshot holds was committed, even when the log was not told before the stop.
  storage.setHardState({ term: state.term, vote: state.vote, commit: Math.max(state.commit, snapshot?.index ?? 0) });
  return snapshot;
}

async function restoreNewest(state: LogState, { directory, storage, folder, logger, restore }: Resumed): Promise<SnapshotMeta | null> {
  for (const place of await folder.list()) {
    // Beyond the end of the log: received, but not acknowledged before the stop.
    if (place.index < state.compacted.index || place.index > state.last.index || storage.term(place.index) !== place.term) continue;
    try {
      return await restore(place);
    } catch (cause) {
      logger.error({ err: cause, index: place.index }, `a snapshot cannot be used: ${messageOf(cause)}`);
    }
  }
  if (state.compacted.index === 0) return null;
  const { index } = state.compacted;
  throw damagedLog({ directory, key: "snapshots", index, what: `no whole snapshot joins the log, which begins after index ${index}` });
}
