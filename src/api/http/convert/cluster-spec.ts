import { DEFAULT_CLUSTER_SPEC, withClusterDefaults } from "../../../model/defaults.js";
import type { ClusterSpec, RaftConfig } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import { type Json, jsonInteger } from "../json.js";
import { driverFromDocker, driverToDocker } from "./driver.js";
import { Fields } from "./fields.js";

const TICKS_MAX = 2 ** 31 - 1;

/** A complete spec of the cluster, with the defaults where the client gave zeros or nothing. */
export function clusterSpecFromDocker(fields: Fields): ClusterSpec {
  const name = fields.string("Name");
  if (name !== "" && name !== DEFAULT_CLUSTER_SPEC.name) throw badRequest(`invalid Name "${name}": the swarm spec must be named "default"`);
  const orchestration = fields.child("Orchestration");
  const ca = fields.child("CAConfig");
  const dispatcher = fields.child("Dispatcher");
  const taskDefaults = fields.child("TaskDefaults");
  const encryption = fields.child("EncryptionConfig");
  const spec: ClusterSpec = {
    name,
    labels: fields.record("Labels"),
    taskHistoryRetentionLimit: orchestration?.optionalInteger("TaskHistoryRetentionLimit") ?? DEFAULT_CLUSTER_SPEC.taskHistoryRetentionLimit,
    raft: raftFromDocker(fields.child("Raft")),
    heartbeatPeriodNs: dispatcher?.integer("HeartbeatPeriod") ?? 0n,
    nodeCertExpiryNs: ca?.integer("NodeCertExpiry") ?? 0n,
    defaultLogDriver: driverFromDocker(taskDefaults?.child("LogDriver") ?? null),
    autoLockManagers: encryption?.boolean("AutoLockManagers") ?? false,
  };
  for (const part of [orchestration, ca, dispatcher, taskDefaults, encryption]) part?.end();
  fields.end();
  return withClusterDefaults(spec);
}

/** The spec of a request body that may leave it out. */
export function optionalClusterSpec(fields: Fields | null): ClusterSpec {
  return clusterSpecFromDocker(fields ?? new Fields({}, "Spec"));
}

function raftFromDocker(fields: Fields | null): RaftConfig | null {
  if (fields === null) return null;
  const raft: RaftConfig = {
    snapshotInterval: fields.count("SnapshotInterval"),
    keepOldSnapshots: fields.count("KeepOldSnapshots"),
    logEntriesForSlowFollowers: fields.count("LogEntriesForSlowFollowers"),
    electionTick: fields.count("ElectionTick", TICKS_MAX),
    heartbeatTick: fields.count("HeartbeatTick", TICKS_MAX),
  };
  fields.end();
  return raft;
}

export function clusterSpecToDocker(spec: ClusterSpec): Json {
  return {
    Name: spec.name,
    Labels: spec.labels,
    Orchestration: { TaskHistoryRetentionLimit: jsonInteger(spec.taskHistoryRetentionLimit) },
    Raft: {
      SnapshotInterval: spec.raft?.snapshotInterval ?? 0,
      KeepOldSnapshots: spec.raft?.keepOldSnapshots ?? 0,
      LogEntriesForSlowFollowers: spec.raft?.logEntriesForSlowFollowers ?? 0,
      ElectionTick: spec.raft?.electionTick ?? 0,
      HeartbeatTick: spec.raft?.heartbeatTick ?? 0,
    },
    Dispatcher: { HeartbeatPeriod: jsonInteger(spec.heartbeatPeriodNs) },
    CAConfig: { NodeCertExpiry: jsonInteger(spec.nodeCertExpiryNs) },
    TaskDefaults: { LogDriver: driverToDocker(spec.defaultLogDriver) },
    EncryptionConfig: { AutoLockManagers: spec.autoLockManagers },
  };
}
