import { expect, test } from "vitest";
import { legacyLimits, unifiedLimits } from "../../../src/runtime/resource-limits.js";

const NONE = { nanoCpus: 0, memoryBytes: 0, pids: 0 };

test.each([
  [{}, []],
  [{ memoryBytes: 100 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=200"]],
  [{ memoryBytes: 100, memorySwapBytes: 100 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=100"]],
  [{ memoryBytes: 100, memorySwapBytes: -1 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=-1"]],
  [{ memoryReservationBytes: 50 }, ["memory.soft_limit_in_bytes=50"]],
  [{ pids: 7 }, ["pids.max=7"]],
  [{ pids: -1 }, ["pids.max=max"]],
  [{ nanoCpus: 500_000_000 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]],
  [{ cpuQuotaUs: 2000 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=2000"]],
  [{ cpuQuotaUs: -1, cpuPeriodUs: 5000 }, ["cpu.cfs_period_us=5000", "cpu.cfs_quota_us=-1"]],
  [{ cpuShares: 512 }, ["cpu.shares=512"]],
])("limits of version 1: %j", (resources, expected) => {
  const limits = ["memory", "pids", "cpu", "freezer"].flatMap((controller) => legacyLimits(controller, { ...NONE, ...resources }, true));
  expect(limits.map(([file, text]) => `${file}=${text}`)).toEqual(expected);
});

test.each([
  [{}, []],
  [{ memoryBytes: 100 }, ["memory.max=100", "memory.swap.max=100"]],
  [{ memoryBytes: 100, memorySwapBytes: 150 }, ["memory.max=100", "memory.swap.max=50"]],
  [{ memoryBytes: 100, memorySwapBytes: -1 }, ["memory.max=100", "memory.swap.max=max"]],
  [{ memoryReservationBytes: 50 }, ["memory.low=50"]],
  [{ pids: -1 }, ["pids.max=max"]],
  [{ nanoCpus: 1_500_000_000 }, ["cpu.max=150000 100000"]],
  [{ cpuPeriodUs: 5000 }, ["cpu.max=max 5000"]],
  [{ cpuShares: 2 }, ["cpu.weight=1"]],
  [{ cpuShares: 1024 }, ["cpu.weight=39"]],
  [{ cpuShares: 262_144 }, ["cpu.weight=10000"]],
])("limits of version 2: %j", (resources, expected) => {
  const limits = unifiedLimits(() => true, { ...NONE, ...resources }, true);
  expect(limits.map(([file, text]) => `${file}=${text}`)).toEqual(expected);
  expect(unifiedLimits(() => false, { ...NONE, ...resources }, true)).toEqual([]);
});
