import { DEFAULT_CLUSTER_SPEC, withClusterDefaults } from "../../../model/defaults.js";
import type { ClusterSpec, RaftConfig } from "../../../model/objects.js";
import { validateExternalRoots } from "../../../pki/external-authority.js";
import { badRequest } from "../errors.js";
import { type Json, jsonInteger } from "../json.js";
import { caConfigToDocker, externalCaFromDocker, type SigningCa, signingCaFromDocker } from "./ca-config.js";
import { driverFromDocker, driverToDocker } from "./driver.js";
import { Fields } from "./fields.js";

const TICKS_MAX = 2 ** 31 - 1;

export interface ClusterSpecOfClient {
  readonly spec: ClusterSpec;
  /** Goes into the cluster's certificate authority, and is not shown again. */
  readonly signingCa: SigningCa;
}

/** A complete spec of the cluster, with the defaults where the client gave zeros or nothing. */
export function clusterSpecFromDocker(fields: Fields): ClusterSpecOfClient {
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
    externalCas: ca?.children("ExternalCAs", externalCaFromDocker) ?? [],
    forceRotate: ca?.count("ForceRotate") ?? 0,
    defaultLogDriver: driverFromDocker(taskDefaults?.child("LogDriver") ?? null),
    autoLockManagers: encryption?.boolean("AutoLockManagers") ?? false,
  };
  const signingCa = signingCaFromDocker(ca);
  for (const part of [orchestration, ca, dispatcher, taskDefaults, encryption]) part?.end();
  fields.end();
  return { spec: withClusterDefaults(spec), signingCa };
}

/**
 * The spec that a new cluster begins with; the request's body may leave it out. External authorities may be named at once, as for Swarm (swarm-surface 1): for the root
 * that the cluster is rotated to later, or, with none named, for that of the cluster, whose key they must have. So may a root to begin with, with its key: the first manager's
 * certificate is of it.
 */
export function firstClusterSpec(fields: Fields | null): ClusterSpecOfClient {
  const { spec, signingCa } = clusterSpecFromDocker(fields ?? new Fields({}, "Spec"));
  if (signingCa.certificate !== "" && signingCa.key === "") {
    throw badRequest('SigningCACert needs its SigningCAKey: a root whose key stays elsewhere is for a swarm that is there, by "docker swarm ca --rotate"');
  }
  if (signingCa.key !== "" && signingCa.certificate === "") throw badRequest("SigningCAKey needs the certificate that it belongs to: SigningCACert");
  validateExternalRoots(spec.externalCas);
  return { spec, signingCa };
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
    CAConfig: caConfigToDocker(spec),
    TaskDefaults: { LogDriver: driverToDocker(spec.defaultLogDriver) },
    EncryptionConfig: { AutoLockManagers: spec.autoLockManagers },
  };
}
