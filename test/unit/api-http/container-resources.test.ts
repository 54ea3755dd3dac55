import { expect, test } from "vitest";
import { changedResources, resourcesFromDocker } from "../../../src/api/http/convert/container-resources.js";
import { Fields } from "../../../src/api/http/convert/fields.js";

const MB = 1024 * 1024;
const NONE = { nanoCpus: 0, memoryBytes: 0, pids: 0 };

test.each([
  [{}, NONE],
  [
    { Memory: 10 * MB, MemorySwap: -1, PidsLimit: -1 },
    { ...NONE, memoryBytes: 10 * MB, memorySwapBytes: -1 },
  ],
  [
    { CpuPeriod: 5000, CpuQuota: 2500, CpuShares: 2, PidsLimit: 4 },
    { ...NONE, pids: 4, cpuPeriodUs: 5000, cpuQuotaUs: 2500, cpuShares: 2 },
  ],
])("made with %j", (body, expected) => {
  expect(resourcesFromDocker(new Fields(body, ""))).toEqual(expected);
});

test.each([
  [{ Memory: MB }, "Minimum memory limit allowed is 6MB"],
  [{ MemorySwap: 10 * MB }, "You should always set the Memory limit"],
  [{ Memory: 10 * MB, MemorySwap: 9 * MB }, "Minimum memoryswap limit should be larger"],
  [{ Memory: 10 * MB, MemorySwap: -2 }, "invalid MemorySwap -2"],
  [{ Memory: 10 * MB, MemoryReservation: 11 * MB }, "memory reservation"],
  [{ NanoCpus: 1, CpuQuota: 1000 }, "Nano CPUs and CPU Quota cannot both"],
  [{ NanoCpus: 1, CpuPeriod: 1000 }, "Nano CPUs and CPU Period cannot both"],
  [{ CpuPeriod: 10 }, "CPU cfs period"],
  [{ CpuQuota: 10 }, "CPU cfs quota"],
  [{ CpuShares: 1 }, "invalid CpuShares 1"],
])("refused: %j", (body, message) => {
  expect(() => resourcesFromDocker(new Fields(body, ""))).toThrow(message);
});

test.each([
  [{}, { memoryBytes: 10 * MB, pids: 3 }, { memoryBytes: 10 * MB, pids: 3 }],
  [
    { Memory: 20 * MB, PidsLimit: null },
    { memoryBytes: 10 * MB, pids: 3 },
    { memoryBytes: 20 * MB, pids: 3 },
  ],
  [{ PidsLimit: 0 }, { pids: 3 }, { pids: -1 }],
  [{ CpuShares: 5 }, { nanoCpus: 7 }, { nanoCpus: 7, cpuShares: 5 }],
])("changed by %j", (body, before, after) => {
  expect(changedResources(new Fields(body, ""), { ...NONE, ...before })).toEqual({ ...NONE, ...after });
});

test.each([
  [{ NanoCpus: 5 }, { cpuQuotaUs: 1000 }, "Nano CPUs cannot be updated"],
  [{ CpuQuota: 5000 }, { nanoCpus: 5 }, "CPU Period and CPU Quota cannot be updated"],
  [{ Memory: 30 * MB }, { memoryBytes: 10 * MB, memorySwapBytes: 20 * MB }, "update the memoryswap at the same time"],
])("contradicts what it has: %j", (body, before, message) => {
  expect(() => changedResources(new Fields(body, ""), { ...NONE, ...before })).toThrow(message);
});
