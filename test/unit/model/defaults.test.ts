import { expect, test } from "vitest";
import { DEFAULT_CLUSTER_SPEC, DEFAULT_RAFT_CONFIG, msOf, withClusterDefaults } from "../../../src/model/defaults.js";
import { validateClusterSpec } from "../../../src/model/validation/cluster-spec.js";

test("the defaults are valid and stay what they are", () => {
  expect(withClusterDefaults(DEFAULT_CLUSTER_SPEC)).toEqual(DEFAULT_CLUSTER_SPEC);
  validateClusterSpec(DEFAULT_CLUSTER_SPEC);
});

test("zeros are defaults, except where zero means something", () => {
  const zeros = {
    name: "",
    labels: { a: "b" },
    taskHistoryRetentionLimit: 0n,
    raft: { snapshotInterval: 0, logEntriesForSlowFollowers: 0, heartbeatTick: 0, electionTick: 20, keepOldSnapshots: 0 },
    heartbeatPeriodNs: 0n,
    nodeCertExpiryNs: 0n,
    defaultLogDriver: null,
    autoLockManagers: false,
    externalCas: [],
    forceRotate: 0,
  };
  expect(withClusterDefaults(zeros)).toEqual({
    ...DEFAULT_CLUSTER_SPEC,
    labels: { a: "b" },
    taskHistoryRetentionLimit: 0n,
    raft: { ...DEFAULT_RAFT_CONFIG, electionTick: 20 },
  });
});

test("msOf keeps fractions", () => {
  expect(msOf(1_500_000n)).toBe(1.5);
});

test("an election must take longer than a heartbeat", () => {
  const raft = { ...DEFAULT_RAFT_CONFIG, heartbeatTick: 5, electionTick: 5 };
  expect(() => validateClusterSpec({ ...DEFAULT_CLUSTER_SPEC, raft })).toThrow("election tick (5) must be greater than heartbeat tick (5)");
  const slow = { ...raft, electionTick: 601 };
  expect(() => validateClusterSpec({ ...DEFAULT_CLUSTER_SPEC, raft: slow })).toThrow("election tick (601) must be at most 600, which is a minute");
  validateClusterSpec({ ...DEFAULT_CLUSTER_SPEC, raft: { ...raft, electionTick: 600 } });
});
