import { parseExternalCas } from "./external-ca.js";
import { parseCount, parseDuration } from "./quantities.js";

/** The flags of `init` and `update` that change settings of the swarm. */
export interface SettingFlags {
  readonly certExpiry?: string;
  readonly externalCa?: readonly string[];
  readonly dispatcherHeartbeat?: string;
  readonly taskHistoryLimit?: string;
  readonly snapshotInterval?: string;
  readonly maxSnapshots?: string;
  readonly slowFollowerEntries?: string;
  readonly heartbeatTick?: string;
  readonly electionTick?: string;
}

/** Parts of the spec as the API has them; what is not known here goes back as it came. */
export type SpecPart = Readonly<Record<string, unknown>>;

/** The spec with the settings that the flags say, and with this of its certificate authority. Throws a CommandFailure that names the flag. */
export async function withSettings(spec: SpecPart, flags: SettingFlags, authority: SpecPart = {}): Promise<SpecPart> {
  const { certExpiry, dispatcherHeartbeat } = flags;
  const externalCas = await parseExternalCas(flags.externalCa ?? []);
  return {
    ...spec,
    ...changedPart(spec, "CAConfig", {
      ...authority,
      ...(certExpiry === undefined ? {} : { NodeCertExpiry: parseDuration(certExpiry, "cert-expiry") }),
      ...(flags.externalCa === undefined ? {} : { ExternalCAs: externalCas }),
    }),
    ...changedPart(
      spec,
      "Dispatcher",
      dispatcherHeartbeat === undefined ? {} : { HeartbeatPeriod: parseDuration(dispatcherHeartbeat, "dispatcher-heartbeat") },
    ),
    ...changedPart(spec, "Orchestration", count("TaskHistoryRetentionLimit", flags.taskHistoryLimit, "task-history-limit")),
    ...changedPart(spec, "Raft", {
      ...count("SnapshotInterval", flags.snapshotInterval, "snapshot-interval"),
      ...count("KeepOldSnapshots", flags.maxSnapshots, "max-snapshots"),
      ...count("LogEntriesForSlowFollowers", flags.slowFollowerEntries, "slow-follower-entries"),
      ...count("HeartbeatTick", flags.heartbeatTick, "heartbeat-tick"),
      ...count("ElectionTick", flags.electionTick, "election-tick"),
    }),
  };
}

/** The part of that name with these changes; nothing where nothing changes. */
export function changedPart(spec: SpecPart, name: string, changes: SpecPart): SpecPart {
  return Object.keys(changes).length === 0 ? {} : { [name]: { ...(spec[name] as SpecPart | undefined), ...changes } };
}

/** Whether managers' keys are locked. */
export function isLocking(spec: SpecPart): boolean {
  return (spec.EncryptionConfig as { readonly AutoLockManagers?: boolean } | undefined)?.AutoLockManagers === true;
}

function count(field: string, text: string | undefined, flag: string): SpecPart {
  return text === undefined ? {} : { [field]: parseCount(text, flag) };
}
