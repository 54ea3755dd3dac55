import type { ClusterSpec, RaftConfig, RestartPolicy, UpdateConfig } from "./objects.js";

export const NANOSECONDS_PER_SECOND = 1_000_000_000n;

/** Milliseconds of a duration that a client chose; fractions are kept. */
export function msOf(durationNs: bigint): number {
  return Number(durationNs) / 1e6;
}

/** Heartbeat and election timeout are counted in raft ticks of 100 ms (architecture, section 3). */
export const DEFAULT_RAFT_CONFIG: RaftConfig = {
  snapshotInterval: 10_000,
  logEntriesForSlowFollowers: 500,
  heartbeatTick: 1,
  electionTick: 10,
  keepOldSnapshots: 0,
};

/** What a new cluster gets. The heartbeat period is the real one: a node is DOWN after three of them. */
export const DEFAULT_CLUSTER_SPEC: ClusterSpec = {
  name: "default",
  labels: {},
  taskHistoryRetentionLimit: 5n,
  raft: DEFAULT_RAFT_CONFIG,
  heartbeatPeriodNs: 2n * NANOSECONDS_PER_SECOND,
  nodeCertExpiryNs: 90n * 24n * 3600n * NANOSECONDS_PER_SECOND,
  defaultLogDriver: null,
  autoLockManagers: false,
  externalCas: [],
  forceRotate: 0,
};

/**
 * A client's cluster spec with defaults where it has zeros, as Swarm reads it. The history limit stays as it is: zero is a limit, and only who
 * parses the client's text knows whether one was given.
 */
export function withClusterDefaults(spec: ClusterSpec): ClusterSpec {
  const raft = spec.raft ?? DEFAULT_RAFT_CONFIG;
  return {
    ...spec,
    name: spec.name === "" ? DEFAULT_CLUSTER_SPEC.name : spec.name,
    raft: {
      snapshotInterval: raft.snapshotInterval || DEFAULT_RAFT_CONFIG.snapshotInterval,
      logEntriesForSlowFollowers: raft.logEntriesForSlowFollowers || DEFAULT_RAFT_CONFIG.logEntriesForSlowFollowers,
      heartbeatTick: raft.heartbeatTick || DEFAULT_RAFT_CONFIG.heartbeatTick,
      electionTick: raft.electionTick || DEFAULT_RAFT_CONFIG.electionTick,
      keepOldSnapshots: raft.keepOldSnapshots,
    },
    heartbeatPeriodNs: spec.heartbeatPeriodNs || DEFAULT_CLUSTER_SPEC.heartbeatPeriodNs,
    nodeCertExpiryNs: spec.nodeCertExpiryNs || DEFAULT_CLUSTER_SPEC.nodeCertExpiryNs,
  };
}

/** For services without an update or rollback configuration (swarm-surface 1.3, 3.4). */
export const DEFAULT_UPDATE_CONFIG: UpdateConfig = {
  parallelism: 1,
  delayNs: 0n,
  failureAction: "pause",
  monitorNs: 5n * NANOSECONDS_PER_SECOND,
  maxFailureRatio: 0,
  order: "stop_first",
};

export const DEFAULT_RESTART_DELAY_NS = 5n * NANOSECONDS_PER_SECOND;

/** For services without a restart policy (swarm-surface 3.3). */
export const DEFAULT_RESTART_POLICY: RestartPolicy = {
  condition: "any",
  delayNs: DEFAULT_RESTART_DELAY_NS,
  maxAttempts: 0,
  windowNs: 0n,
};

/** How long a task gets between the stop signal and the kill when its service does not say. */
export const DEFAULT_STOP_GRACE_PERIOD_NS = 10n * NANOSECONDS_PER_SECOND;
